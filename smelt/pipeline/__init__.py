"""The whole job: hands each stage its own section of the recipe. Only the roof sees all of it."""
