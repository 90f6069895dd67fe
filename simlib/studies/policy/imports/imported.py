"""What became of a client's options: a policy, what cannot be said, and what is approximated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from simlib.core.card import Card, ShowsCard
from simlib.core.settings import Settings
from simlib.scenario.origin import comment_origin
from simlib.scenario.scenario import Scenario, plain
from simlib.support.json_values import jsonable


@dataclass(frozen=True, repr=False)
class ImportedPolicy(ShowsCard):
    """A real client's own options as a policy.

    Attributes
    ----------
    kind : str
        What the options are of, such as socket.io-client.
    source : str
        The file that they stand in.
    client : Settings
        The settings that they give.
    lacks : tuple of str
        What cannot be said: options that simlib's model does not have, a sentence each.
    notes : tuple of str
        Approximations and warnings, a sentence each.

    Examples
    --------
    >>> import simlib as sl
    >>> sl.policy_from("wait_fixed(3)").waits
    '0 s after a loss, 3 s always, no jitter'
    """

    kind: str
    source: str
    client: Settings
    lacks: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def waits(self) -> str:
        """How it waits, in words."""
        return self.client.backoff.in_words

    @cached_property
    def table(self) -> Mapping[str, Any]:
        """The settings as tables, as a scenario has them under ``client``."""
        return dict(plain(Scenario(client=self.client)).get("client", {}))

    def policy_toml(self, name: str = "policy") -> str:
        """Return a scenario with this client, for ``simlib run``; what was noted as comments."""
        import tomli_w

        # The call is not said: options that were pasted may hold a secret.
        said = [f"From options of {self.kind} in {self.source}: {self.waits}."]
        said += [f"Cannot be said: {lack}." for lack in self.lacks]
        said += [f"Note: {note}." for note in self.notes]
        lines = [" ".join(each.split()) for each in said]
        head = comment_origin("") + "".join(f"# {line}\n" for line in lines)
        document = {"name": name, "client": self.table}
        return f"{head}\n{tomli_w.dumps(document)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as values for JSON; the settings as a scenario has them."""
        said = {"kind": self.kind, "source": self.source, "waits": self.waits}
        more = {"cannot_be_said": self.lacks, "notes": self.notes, "client": self.table}
        return dict(jsonable(said | more))

    def card(self) -> Card:
        """Return what is shown: how it waits, what cannot be said, what is approximated."""
        lacks = [f"cannot be said: {lack}" for lack in self.lacks]
        return Card(f"Policy of {self.kind}: {self.waits}", notes=(*lacks, *self.notes))
