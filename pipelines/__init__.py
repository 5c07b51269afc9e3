"""The programs as steps of a pipeline that a cluster runs: Kubeflow Pipelines."""
