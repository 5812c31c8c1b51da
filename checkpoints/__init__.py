"""slaeval.checkpoints"""
