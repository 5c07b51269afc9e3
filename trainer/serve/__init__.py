"""A web server that answers with a trained model: what comes together is one batch."""
