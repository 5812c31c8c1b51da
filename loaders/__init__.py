"""slaeval.loaders"""
