"""Parts of the study of auctions."""
