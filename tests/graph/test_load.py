"""What pulumi hands to the program, read."""

import pulumi
import pytest
from pulumi.runtime import mocks, set_all_config

from config.load import load
from tests.graph.recording import Answers


def test_a_mistyped_namespace_ends_the_program_with_the_remedy() -> None:
    mocks.set_mocks(mocks=Answers(), project="coursehub", stack="dev", preview=True)
    set_all_config({"courshub:storage": '{"quota": "hunter2"}', "coursehub:homes": '{"mode": "dynamic"}'}, [])
    with pytest.raises(pulumi.RunError, match=r"courshub:storage: .*did you mean coursehub:storage") as error:
        load()
    assert "hunter2" not in str(error.value)
