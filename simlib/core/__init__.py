"""The client, the server and the network as pure functions and one mutable object each."""
