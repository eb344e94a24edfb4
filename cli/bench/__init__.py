"""`trunkline bench`: plays many calls in real time, measures the servers, and finds how many calls they hold."""
