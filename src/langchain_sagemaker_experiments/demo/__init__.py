"""Stand-ins that let every example and the demo run without an account, a key or a network, and the
demo itself.

`stand_ins()` gives a local SageMaker and a scripted model behind the real OpenAI client, each only
where the real one is not configured. `scripted_openai()` is that model's server, useful in tests
too.
"""

from ._openai import Reply, ScriptedOpenAI, scripted_openai
from ._stand_ins import load_tools, stand_ins

__all__ = ["Reply", "ScriptedOpenAI", "load_tools", "scripted_openai", "stand_ins"]
