"""The graph's components: Dataset, Cluster, Hub."""
