"""Games on data sets that scikit-learn ships, and training on their mini-batches."""
