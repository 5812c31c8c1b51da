"""slaeval.scoring"""
