"""The former address of `python -m adapters.emulators.sagemaker`, which scripts of others still call."""

if __name__ == "__main__":
    import runpy

    runpy.run_module("adapters.emulators.sagemaker", run_name="__main__", alter_sys=True)
