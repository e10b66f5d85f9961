"""The scenario language: what the planner writes, read and checked."""
