"""The explorers as an app in a browser, for people who run no notebooks."""
