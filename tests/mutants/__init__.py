"""What the tests would not notice: words of the guards are changed, one at a time, and each time tests must fail.

`make mutants` does it. What survives is killed by a test, or stands in `survivors.toml` with the reason why it may.
"""
