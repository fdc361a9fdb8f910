"""A span record under the names that others use: GenAI, OpenInference, MLflow. A table each."""
