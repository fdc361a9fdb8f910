"""SageMaker Experiments over boto3 alone: create, load, update and list runs. Knows no spans."""
