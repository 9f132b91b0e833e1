"""kill -9 of the process that works on the chain, at any instant: CHN-031."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from chains import CHAIN_ID, exchange
from farmgate.blockchain import store
from farmgate.blockchain.facade import State

PROGRAM = Path(__file__).with_name("pumper.py")
KILLS = 4
CONTRACTS = 30


def test_killed_again_and_again_each_contract_is_registered_once(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with exchange("anvil", tmp_path) as world:
        assert world.node
        operations = [world.register() for _ in range(CONTRACTS)]
        address = f"sqlite:///{tmp_path / 'exchange.db'}"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        for start in range(1, KILLS + 1):
            worker = subprocess.Popen(
                [sys.executable, str(PROGRAM), address, world.node.url, str(start)],
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
            )
            assert worker.stdout
            assert worker.stdout.readline() == "working\n"
            # Any instant of its work; thirty registrations take it seconds.
            time.sleep(dice.random() * 0.3)
            worker.kill()
            worker.wait()
            worker.stdout.close()
            world.node.mine()
        halfway = {world.now(one).state for one in operations}
        print("states after the last kill", sorted(halfway))
        world.clock.move(86_400)
        world.run(30)
        states = {world.now(one).state for one in operations}
        assert states == {State.CONFIRMED}
        for operation in operations:
            assert world.announced(operation.reference) == ["Registered"]
        (registry,) = world.database.run(lambda tx: store.registries(tx, CHAIN_ID))
        logs = world.chain.logs([registry], 0, world.chain.head().number)
        assert len(logs) == CONTRACTS
        nonces = {world.now(one).nonce for one in operations}
        assert len(nonces) == CONTRACTS
