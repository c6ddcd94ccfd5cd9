"""Run the artifact, without torch: bundles, sessions, predict and bench."""
