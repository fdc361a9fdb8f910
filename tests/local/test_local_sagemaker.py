"""The local SageMaker does what SageMaker does, for sagemaker 2 and 3, in process and as a
server.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk
from langchain_sagemaker_experiments._record import limits as _limits
from langchain_sagemaker_experiments._storage.object_store import S3Store
from langchain_sagemaker_experiments.local import (
    LocalSageMaker,
    current_local_sagemaker,
    local_sagemaker,
)
from langchain_sagemaker_experiments.local._limits import maximum, service_model


@pytest.fixture(params=[False, True], ids=["in process", "server"])
def sagemaker(request: pytest.FixtureRequest) -> Iterator[LocalSageMaker]:
    with local_sagemaker(server=request.param) as started:
        yield started


def test_runs_are_created_loaded_and_listed(sdk: Sdk, sagemaker: LocalSageMaker) -> None:
    session = sdk.Session()
    with sdk.Run(experiment_name="exp", run_name="one", sagemaker_session=session) as run:
        run.log_parameter("first", 1)
        run.log_artifact("made", "s3://bucket/made", media_type="text/plain")
        run.log_metric("loss", 0.5)
        run.log_metric("loss", 0.25)
    with sdk.Run(experiment_name="exp", run_name="two", sagemaker_session=session):
        pass
    with sdk.load_run(experiment_name="exp", run_name="one", sagemaker_session=session) as run:
        assert run._trial_component.parameters == {"first": 1.0}
        run.log_parameters({"second": "text", "first": 3})
        run.log_artifact("made-later", "s3://bucket/later")
    listed = sdk.list_runs("exp", sagemaker_session=session)
    assert [one.run_name for one in listed] == ["two", "one"]
    described = boto3.client("sagemaker").describe_trial_component(TrialComponentName="exp-one")
    assert described["Parameters"] == {
        "first": {"NumberValue": 3.0},
        "second": {"StringValue": "text"},
    }
    assert set(described["OutputArtifacts"]) == {"made", "made-later"}
    (metric,) = described["Metrics"]
    assert (metric["Count"], metric["Min"], metric["Max"], metric["Last"]) == (2, 0.25, 0.5, 0.25)


def test_experiment_analytics_reads_an_experiment_as_a_table(
    sdk: Sdk, sagemaker: LocalSageMaker
) -> None:
    session = sdk.Session()
    for number in range(3):
        with sdk.Run(
            experiment_name="exp", run_name=f"run-{number}", sagemaker_session=session
        ) as run:
            run.log_parameter("number", number)
    with sdk.Run(experiment_name="other", run_name="run", sagemaker_session=session):
        pass
    frame = sdk.ExperimentAnalytics(experiment_name="exp", sagemaker_session=session).dataframe(
        force_refresh=True
    )
    assert sorted(frame["number"]) == [0, 1, 2]
    assert all(parents == ["exp"] for parents in frame["Experiments"])
    chosen = sdk.ExperimentAnalytics(
        sagemaker_session=session,
        search_expression={
            "Filters": [{"Name": "Parameters.number", "Operator": "GreaterThan", "Value": "0"}]
        },
        sort_by="Parameters.number",
        sort_order="Ascending",
    )
    assert list(chosen.dataframe()["number"]) == [1, 2]


def test_parameters_and_artifacts_are_removed_when_asked(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_trial_component(
        TrialComponentName="c", Parameters={"a": {"NumberValue": 1}, "b": {"NumberValue": 2}}
    )
    client.update_trial_component(
        TrialComponentName="c", ParametersToRemove=["a"], Parameters={"d": {"StringValue": "x"}}
    )
    assert set(client.describe_trial_component(TrialComponentName="c")["Parameters"]) == {"b", "d"}


def test_existing_names_are_refused_as_the_service_refuses_them(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_experiment(ExperimentName="e")
    client.create_trial(TrialName="t", ExperimentName="e")
    client.create_trial_component(TrialComponentName="c")
    for call in (
        lambda: client.create_experiment(ExperimentName="e"),
        lambda: client.create_trial(TrialName="t", ExperimentName="e"),
        lambda: client.create_trial_component(TrialComponentName="c"),
    ):
        with pytest.raises(ClientError, match="already exists") as error:
            call()
        assert error.value.response["Error"]["Code"] == "ValidationException"


def test_tags_are_kept_and_search_pages(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    for number in range(5):
        client.create_trial_component(
            TrialComponentName=f"c{number}", Tags=[{"Key": "k", "Value": str(number % 2)}]
        )
    arn = client.describe_trial_component(TrialComponentName="c1")["TrialComponentArn"]
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "1"}]
    names: list[str] = []
    request: dict[str, Any] = {
        "Resource": "ExperimentTrialComponent",
        "SearchExpression": {"Filters": [{"Name": "Tags.k", "Operator": "Equals", "Value": "0"}]},
        "SortBy": "TrialComponentName",
        "SortOrder": "Ascending",
        "MaxResults": 2,
    }
    pages = list(
        client.get_paginator("search").paginate(
            **{k: v for k, v in request.items() if k != "MaxResults"},
            PaginationConfig={"PageSize": 2},
        )
    )
    for page in pages:
        names += [result["TrialComponent"]["TrialComponentName"] for result in page["Results"]]
    assert len(pages) == 2
    assert names == ["c0", "c2", "c4"]


def test_search_knows_operators_and_nested_expressions(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_experiment(ExperimentName="e")
    client.create_trial(TrialName="t", ExperimentName="e")
    for name, value in (("apple", 1.0), ("pear", 2.0), ("plum", 3.0)):
        client.create_trial_component(
            TrialComponentName=name, Parameters={"p": {"NumberValue": value}}
        )
    client.associate_trial_component(TrialComponentName="plum", TrialName="t")

    def found(expression: dict[str, Any]) -> list[str]:
        answer = client.search(
            Resource="ExperimentTrialComponent",
            SearchExpression=expression,
            SortBy="TrialComponentName",
            SortOrder="Ascending",
        )
        return [result["TrialComponent"]["TrialComponentName"] for result in answer["Results"]]

    def by(name: str, operator: str, value: str | None = None) -> dict[str, Any]:
        condition = {"Name": name, "Operator": operator} | (
            {"Value": value} if value is not None else {}
        )
        return {"Filters": [condition]}

    assert found(by("TrialComponentName", "Contains", "p")) == ["apple", "pear", "plum"]
    assert found(by("TrialComponentName", "NotEquals", "pear")) == ["apple", "plum"]
    assert found(by("TrialComponentName", "In", "pear,plum")) == ["pear", "plum"]
    assert found(by("Parameters.p", "LessThanOrEqualTo", "2")) == ["apple", "pear"]
    assert found(by("Parameters.q", "NotExists")) == ["apple", "pear", "plum"]
    assert found(by("Parents.ExperimentName", "Exists")) == ["plum"]
    either = {
        "SubExpressions": [
            by("TrialComponentName", "Equals", "apple"),
            by("Parameters.p", "GreaterThanOrEqualTo", "3"),
        ],
        "Operator": "Or",
    }
    assert found(either) == ["apple", "plum"]
    nested = {
        "NestedPropertyName": "Parents",
        "Filters": [{"Name": "Parents.TrialName", "Operator": "Equals", "Value": "t"}],
    }
    assert found({"NestedFilters": [nested]}) == ["plum"]


LONG_NAMES = [
    ("parameters", {"Parameters": {f"p{n}": {"NumberValue": n} for n in range(301)}}),
    ("parameter key", {"Parameters": {"k" * 321: {"NumberValue": 1}}}),
    ("parameter text", {"Parameters": {"k": {"StringValue": "x" * 2501}}}),
    ("artifacts", {"OutputArtifacts": {f"a{n}": {"Value": "s3://b/k"} for n in range(61)}}),
    ("artifact name", {"OutputArtifacts": {"a" * 129: {"Value": "s3://b/k"}}}),
    ("artifact value", {"OutputArtifacts": {"a": {"Value": "s" * 2049}}}),
    (
        "media type with a character set",
        {"OutputArtifacts": {"a": {"Value": "s", "MediaType": "text/plain; charset=utf-8"}}},
    ),
    ("media type", {"OutputArtifacts": {"a": {"Value": "s", "MediaType": "text/" + "x" * 64}}}),
    ("status message", {"Status": {"PrimaryStatus": "Failed", "Message": "m" * 1025}}),
    ("status", {"Status": {"PrimaryStatus": "Wonderful"}}),
    ("display name", {"DisplayName": "-no-"}),
]


@pytest.mark.parametrize(("what", "request_"), LONG_NAMES, ids=[what for what, _ in LONG_NAMES])
def test_what_breaks_a_limit_is_refused(
    local: LocalSageMaker, what: str, request_: dict[str, Any]
) -> None:
    client = boto3.client("sagemaker")
    client.create_trial_component(TrialComponentName="c")
    with pytest.raises(ClientError, match="validation error.? detected") as error:
        client.update_trial_component(TrialComponentName="c", **request_)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_limits_hold_over_several_updates(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_trial_component(
        TrialComponentName="c", Parameters={f"p{n}": {"NumberValue": n} for n in range(300)}
    )
    client.update_trial_component(TrialComponentName="c", Parameters={"p0": {"NumberValue": 5}})
    with pytest.raises(ClientError, match="must not exceed 300"):
        client.update_trial_component(
            TrialComponentName="c", Parameters={"one-more": {"NumberValue": 5}}
        )


def test_bad_names_and_too_many_metrics_are_refused(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    for name in ("under_score", "x" * 121, "-a"):
        with pytest.raises(ClientError, match="validation error"):
            client.create_trial_component(TrialComponentName=name)
    client.create_trial_component(TrialComponentName="c")
    metrics = boto3.client("sagemaker-metrics")

    def data(count: int, name: str = "m") -> list[dict[str, Any]]:
        return [
            {"MetricName": name, "Value": 1.0, "Timestamp": 1_700_000_000} for _ in range(count)
        ]

    metrics.batch_put_metrics(TrialComponentName="c", MetricData=data(10))
    for broken in (data(11), data(1, "n" * 256)):
        with pytest.raises(ClientError, match="validation error"):
            metrics.batch_put_metrics(TrialComponentName="c", MetricData=broken)
    answer = metrics.batch_put_metrics(TrialComponentName="unknown", MetricData=data(1))
    assert answer["Errors"][0]["Code"] == "VALIDATION_ERROR"


def test_limits_can_be_left_out(sdk: Sdk) -> None:
    with local_sagemaker(enforce_limits=False):
        client = boto3.client("sagemaker")
        client.create_trial_component(
            TrialComponentName="c", Parameters={"k": {"StringValue": "x" * 5000}}
        )
        assert (
            len(
                client.describe_trial_component(TrialComponentName="c")["Parameters"]["k"][
                    "StringValue"
                ]
            )
            == 5000
        )


def test_missing_things_are_said_to_be_missing(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    for call in (
        lambda: client.describe_trial_component(TrialComponentName="c"),
        lambda: client.create_trial(TrialName="t", ExperimentName="e"),
        lambda: client.list_trial_components(ExperimentName="e"),
        lambda: client.update_trial_component(TrialComponentName="c"),
    ):
        with pytest.raises(ClientError, match="does not exist"):
            call()


def test_our_constants_are_those_of_botocores_model() -> None:
    assert maximum("sagemaker", "TrialComponentParameters") == _limits.MAX_PARAMETERS
    assert maximum("sagemaker", "TrialComponentKey320") == _limits.MAX_PARAMETER_KEY
    assert maximum("sagemaker", "StringParameterValue") == _limits.MAX_PARAMETER_STRING
    assert maximum("sagemaker", "TrialComponentKey128") == _limits.MAX_ARTIFACT_NAME
    assert maximum("sagemaker", "TrialComponentArtifacts") == _limits.MAX_ARTIFACTS
    assert maximum("sagemaker", "TrialComponentStatusMessage") == _limits.MAX_STATUS_MESSAGE
    assert maximum("sagemaker-metrics", "MetricName") == _limits.MAX_METRIC_NAME
    metrics = service_model("sagemaker-metrics").shape_for("RawMetricDataList")
    assert metrics.metadata["max"] == _limits.MAX_METRICS_PER_CALL


def test_lineage_artifacts_and_associations(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    arn = client.create_artifact(
        ArtifactName="a", ArtifactType="Tracker", Source={"SourceUri": "s3://b/k"}
    )["ArtifactArn"]
    assert client.describe_artifact(ArtifactArn=arn)["ArtifactName"] == "a"
    with pytest.raises(ClientError, match="already exists"):
        client.create_artifact(
            ArtifactName="a", ArtifactType="Tracker", Source={"SourceUri": "s3://b/k"}
        )
    client.add_association(SourceArn=arn, DestinationArn=arn, AssociationType="Produced")
    with pytest.raises(ClientError, match="already exists"):
        client.add_association(SourceArn=arn, DestinationArn=arn)
    assert len(client.list_associations(SourceArn=arn)["AssociationSummaries"]) == 1


def test_the_server_serves_other_processes() -> None:
    program = textwrap.dedent(
        """
        import boto3, json
        client = boto3.client("sagemaker")
        client.create_trial_component(
            TrialComponentName="from-elsewhere", Parameters={"a": {"NumberValue": 1}}
        )
        try:
            client.create_trial_component(TrialComponentName="from-elsewhere")
        except client.exceptions.ClientError as error:
            print(json.dumps(error.response["Error"]["Code"]))
        """
    )
    with local_sagemaker(server=True) as sagemaker:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == "ValidationException"
        client = boto3.client("sagemaker")
        assert (
            client.describe_trial_component(TrialComponentName="from-elsewhere")["Parameters"]["a"][
                "NumberValue"
            ]
            == 1
        )
        assert sagemaker.requests["CreateTrialComponent"] == 2


def test_it_leaves_nothing_behind() -> None:
    import os

    before = dict(os.environ)
    for server in (False, True):
        with local_sagemaker(server=server):
            boto3.client("sagemaker").create_trial_component(TrialComponentName="c")
            boto3.client("s3").create_bucket(Bucket="bucket")
        assert dict(os.environ) == before
        with local_sagemaker(server=server):
            assert (
                boto3.client("sagemaker").list_trial_components()["TrialComponentSummaries"] == []
            )
            assert "bucket" not in [
                bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]
            ]


def test_a_second_one_in_the_same_process_is_refused(local: LocalSageMaker) -> None:
    with pytest.raises(RuntimeError, match="open already in this process"), local_sagemaker():
        pass


def test_requests_are_counted(local: LocalSageMaker) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="k", Body=b"x")
    client.get_object(Bucket="bucket", Key="k")
    assert local.requests == {"CreateBucket": 1, "PutObject": 1, "GetObject": 1}


def test_the_one_that_is_open_can_be_asked_for() -> None:
    assert current_local_sagemaker() is None
    with local_sagemaker() as sagemaker:
        assert current_local_sagemaker() is sagemaker
    assert current_local_sagemaker() is None


# --- as AWS documents it --------------------------------------------------------------------------
def test_names_are_one_in_upper_and_lower_case(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_experiment(ExperimentName="My-Experiment")
    client.create_trial(TrialName="My-Trial", ExperimentName="MY-EXPERIMENT")
    client.create_trial_component(TrialComponentName="My-Component")
    client.associate_trial_component(TrialComponentName="MY-component", TrialName="my-TRIAL")
    for create in (
        lambda: client.create_experiment(ExperimentName="my-experiment"),
        lambda: client.create_trial(TrialName="my-trial", ExperimentName="my-experiment"),
        lambda: client.create_trial_component(TrialComponentName="my-component"),
    ):
        with pytest.raises(ClientError, match="already exists"):
            create()
    described = client.describe_experiment(ExperimentName="MY-EXPERIMENT")
    assert described["ExperimentName"] == "My-Experiment"
    assert described["ExperimentArn"].endswith(":experiment/my-experiment")
    assert client.describe_trial(TrialName="MY-TRIAL")["ExperimentName"] == "My-Experiment"
    for chosen in ({"ExperimentName": "my-EXPERIMENT"}, {"TrialName": "MY-trial"}):
        listed = client.list_trial_components(**chosen)["TrialComponentSummaries"]
        assert [one["TrialComponentName"] for one in listed] == ["My-Component"]
    metrics = boto3.client("sagemaker-metrics")
    data = [{"MetricName": "m", "Value": 1.0, "Timestamp": 1_700_000_000}]
    assert not metrics.batch_put_metrics(TrialComponentName="my-component", MetricData=data).get(
        "Errors"
    )
    assert client.list_tags(ResourceArn=described["ExperimentArn"])["Tags"] == []


def test_experiments_and_trials_are_updated(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_experiment(
        ExperimentName="e", DisplayName="one", Tags=[{"Key": "k", "Value": "v"}]
    )
    client.create_trial(TrialName="t", ExperimentName="e")
    client.update_experiment(ExperimentName="e", DisplayName="two", Description="text")
    client.update_experiment(ExperimentName="e", Description="other text")
    client.update_trial(TrialName="t", DisplayName="three")
    described = client.describe_experiment(ExperimentName="e")
    assert (described["DisplayName"], described["Description"]) == ("two", "other text")
    assert described["LastModifiedTime"] > described["CreationTime"]
    assert client.describe_trial(TrialName="t")["DisplayName"] == "three"
    for update in (
        lambda: client.update_experiment(ExperimentName="x"),
        lambda: client.update_trial(TrialName="x"),
    ):
        with pytest.raises(client.exceptions.ResourceNotFound):
            update()


def test_what_is_missing_is_a_resource_not_found(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_experiment(ExperimentName="e")
    client.create_trial(TrialName="t", ExperimentName="e")
    for call in (
        lambda: client.describe_experiment(ExperimentName="x"),
        lambda: client.describe_trial(TrialName="x"),
        lambda: client.describe_trial_component(TrialComponentName="x"),
        lambda: client.delete_experiment(ExperimentName="x"),
        lambda: client.delete_trial(TrialName="x"),
        lambda: client.delete_trial_component(TrialComponentName="x"),
        lambda: client.disassociate_trial_component(TrialName="t", TrialComponentName="x"),
        lambda: client.associate_trial_component(TrialName="t", TrialComponentName="x"),
        lambda: client.list_trials(ExperimentName="x"),
    ):
        with pytest.raises(client.exceptions.ResourceNotFound, match="does not exist"):
            call()


def test_what_is_still_associated_is_not_deleted(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    client.create_experiment(ExperimentName="e")
    client.create_trial(TrialName="t", ExperimentName="e")
    client.create_trial_component(TrialComponentName="c")
    client.associate_trial_component(TrialName="t", TrialComponentName="c")
    for delete in (
        lambda: client.delete_trial_component(TrialComponentName="c"),
        lambda: client.delete_trial(TrialName="t"),
        lambda: client.delete_experiment(ExperimentName="e"),
    ):
        with pytest.raises(ClientError, match="while it is associated") as error:
            delete()
        assert error.value.response["Error"]["Code"] == "ValidationException"
    client.disassociate_trial_component(TrialName="t", TrialComponentName="c")
    client.delete_trial_component(TrialComponentName="c")
    client.delete_trial(TrialName="t")
    client.delete_experiment(ExperimentName="e")
    assert client.list_trial_components()["TrialComponentSummaries"] == []
    assert client.list_trials()["TrialSummaries"] == []


def test_the_sdk_deletes_an_experiment_with_all_that_it_holds(
    sdk: Sdk, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sdk.Run(experiment_name="exp", run_name="one", sagemaker_session=session) as run:
        experiment = run._experiment
    module = sys.modules[type(experiment).__module__]
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    experiment.description = "of no use"
    experiment.save()
    assert type(experiment).load("EXP", session).description == "of no use"
    experiment._delete_all(action="--force")
    with pytest.raises(ClientError, match="does not exist"):
        type(experiment).load("exp", session)


def test_a_list_gives_ten_where_no_number_is_asked_for(local: LocalSageMaker) -> None:
    client = boto3.client("sagemaker")
    for number in range(12):
        client.create_trial_component(TrialComponentName=f"c{number}")
    first = client.list_trial_components()
    assert len(first["TrialComponentSummaries"]) == 10
    rest = client.list_trial_components(NextToken=first["NextToken"])
    assert len(rest["TrialComponentSummaries"]) == 2
    assert len(client.list_trial_components(MaxResults=100)["TrialComponentSummaries"]) == 12


def test_search_lags_where_it_is_asked_to() -> None:
    with local_sagemaker(search_lag=3_600):
        client = boto3.client("sagemaker")
        client.create_trial_component(TrialComponentName="c")
        assert client.search(Resource="ExperimentTrialComponent")["Results"] == []
        assert client.describe_trial_component(TrialComponentName="c")
        assert len(client.list_trial_components()["TrialComponentSummaries"]) == 1


def test_search_tells_in_the_end_what_it_lagged_behind() -> None:
    with local_sagemaker(search_lag=0.5):
        client = boto3.client("sagemaker")
        client.create_trial_component(TrialComponentName="c", Parameters={"a": {"NumberValue": 1}})
        while not (found := client.search(Resource="ExperimentTrialComponent")["Results"]):
            time.sleep(0.05)
        client.update_trial_component(TrialComponentName="c", Parameters={"a": {"NumberValue": 2}})
        while found[0]["TrialComponent"]["Parameters"]["a"]["NumberValue"] == 1:
            time.sleep(0.05)
            found = client.search(Resource="ExperimentTrialComponent")["Results"]


def test_what_comes_too_fast_is_throttled() -> None:
    from botocore.config import Config

    with local_sagemaker(rates={"DescribeTrialComponent": 2}):
        once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
        client = boto3.client("sagemaker", config=once)
        client.create_trial_component(TrialComponentName="c")
        with pytest.raises(ClientError, match="Rate exceeded") as error:
            for _ in range(1_000):
                client.describe_trial_component(TrialComponentName="c")
        assert error.value.response["Error"]["Code"] == "ThrottlingException"
        # Its waits are random, from zero on: with the default of three attempts one test in sixteen
        # would ask all of them within the half second in which nothing is allowed.
        retries: Any = {"mode": "standard", "total_max_attempts": 12}
        patient = boto3.client("sagemaker", config=Config(retries=retries))
        assert patient.describe_trial_component(TrialComponentName="c")


def test_of_conditional_writes_at_the_same_time_one_wins(local: LocalSageMaker) -> None:
    bucket = "conditional-writes"
    boto3.client("s3").create_bucket(Bucket=bucket)
    stores = [S3Store(boto3.client("s3"), bucket, "prefix") for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(stores)) as pool:
            for number in range(100):
                name = f"claim-{number}"
                won = pool.map(lambda store: store.create(name, b"mine"), stores)  # noqa: B023
                assert sum(won) == 1
    finally:
        sys.setswitchinterval(interval)
