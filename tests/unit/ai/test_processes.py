"""What the server's process knows of models."""

import subprocess
import sys


def test_the_server_never_imports_what_trains() -> None:
    """AIM-019."""
    script = (
        "import sys; import farmgate.app.parts.ai; "
        "assert 'farmgate.ai.service' in sys.modules; "
        "assert 'lightgbm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
