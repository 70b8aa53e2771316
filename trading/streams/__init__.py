"""Bring what happens to those who follow it, over sockets: public market data, and what is an account's own.

worker ──► feed (Redis) ──► follower ──► hub ──► outbox ──► socket          account_events (database) ──► private ──► outbox
"""
