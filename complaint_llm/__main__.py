"""``python -m complaint_llm`` is ``complaint-llm``."""

from complaint_llm.cli.main import main

if __name__ == "__main__":
    main()
