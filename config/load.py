"""The only reader of Pulumi's configuration."""

from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env

from config.course import Course
from config.faults import WrongConfiguration
from config.raw import course_of, mistyped, sections

_FOLDER = Path(__file__).resolve().parent.parent  # of the program and its stacks' files


def load() -> Course:
    """The course of the selected stack; it is called after the stack unless `course.name` is given.

    Raises pulumi.RunError, which ends the program without a traceback, with every fault of the configuration.
    """
    config = {**get_config_env(), **CONFIG.get()}
    secret = frozenset(sections(dict.fromkeys(get_config_secret_keys_env())))
    try:
        return course_of(sections(config), pulumi.get_stack(), secret, _FOLDER, mistyped(config))
    except WrongConfiguration as error:
        raise pulumi.RunError(str(error)) from None
