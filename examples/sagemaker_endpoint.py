"""A model on a SageMaker endpoint, as the "SageMakerEndpoint" page of LangChain has it, both ways,
and recorded.

The page's own code but for imports, the handler passed with each call, and a role whose account
number has all its digits.
"""

import json
from typing import Dict

import _stand_ins
import boto3
from _sagemaker_sdk import Run
from langchain_aws.llms import SagemakerEndpoint
from langchain_aws.llms.sagemaker_endpoint import LLMContentHandler
from langchain_classic.chains.question_answering import load_qa_chain
from langchain_core.documents import Document
from langchain_core.prompts import PromptTemplate
from langchain_sagemaker_experiments import SageMakerCallbackHandler, load_spans

example_doc_1 = """
Peter and Elizabeth took a taxi to attend the night party in the city. While in the party, Elizabeth collapsed and was rushed to the hospital.
Since she was diagnosed with a brain injury, the doctor told Peter to stay besides her until she gets well.
Therefore, Peter stayed with her at the hospital for 3 days without leaving.
"""

docs = [
    Document(
        page_content=example_doc_1,
    )
]

query = """How long was Elizabeth hospitalized?
"""

prompt_template = """Use the following pieces of context to answer the question at the end.

{context}

Question: {question}
Answer:"""
PROMPT = PromptTemplate(template=prompt_template, input_variables=["context", "question"])


class ContentHandler(LLMContentHandler):
    content_type = "application/json"
    accepts = "application/json"

    def transform_input(self, prompt: str, model_kwargs: Dict) -> bytes:  # noqa: UP006
        input_str = json.dumps({"inputs": prompt, "parameters": model_kwargs})
        return input_str.encode("utf-8")

    def transform_output(self, output: bytes) -> str:
        response_json = json.loads(output.read().decode("utf-8"))
        return response_json[0]["generated_text"]


content_handler = ContentHandler()

with Run(experiment_name="sagemaker-endpoint", run_name="both-ways") as run:
    handler = SageMakerCallbackHandler(run)

    # With an external boto3 client, for cross-account scenarios
    roleARN = "arn:aws:iam::111122223333:role/cross-account-role"
    sts_client = boto3.client("sts")
    response = sts_client.assume_role(RoleArn=roleARN, RoleSessionName="CrossAccountSession")

    client = boto3.client(
        "sagemaker-runtime",
        region_name="us-west-2",
        aws_access_key_id=response["Credentials"]["AccessKeyId"],
        aws_secret_access_key=response["Credentials"]["SecretAccessKey"],
        aws_session_token=response["Credentials"]["SessionToken"],
    )
    _stand_ins.endpoint_answer(" 3 days", account="111122223333", region="us-west-2")

    chain = load_qa_chain(
        llm=SagemakerEndpoint(
            endpoint_name="endpoint-name",
            client=client,
            model_kwargs={"temperature": 1e-10},
            content_handler=content_handler,
        ),
        prompt=PROMPT,
    )

    print(
        chain(
            {"input_documents": docs, "question": query},
            return_only_outputs=True,
            callbacks=[handler],
        )
    )

    # With a credentials profile and a region
    _stand_ins.aws_profile("credentials-profile-name")
    _stand_ins.endpoint_answer(" 3 days", account="123456789012", region="us-west-2")

    chain = load_qa_chain(
        llm=SagemakerEndpoint(
            endpoint_name="endpoint-name",
            credentials_profile_name="credentials-profile-name",
            region_name="us-west-2",
            model_kwargs={"temperature": 1e-10},
            content_handler=content_handler,
        ),
        prompt=PROMPT,
    )

    print(
        chain(
            {"input_documents": docs, "question": query},
            return_only_outputs=True,
            callbacks=[handler],
        )
    )

    handler.flush_tracker()
    spans = load_spans(run)

print(spans[["kind", "name", "status", "duration_ms"]])
for attributes in spans[spans["kind"] == "llm"]["attributes"]:
    print({name: value for name, value in attributes.items() if name.startswith("sagemaker.")})
