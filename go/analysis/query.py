"""A query of KataGo's JSON analysis protocol: one line of JSON to a Query, an Action, or an error that names the field.

Covered are the fields that KaTrain, Ogatak and lizgoban send. A field that is not used is answered with a warning, as
KataGo does. Not covered: boards other than 19×19, suicide, moves forbidden at depths beyond the first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ...core.problem import did_you_mean, shortened
from ..coords import PASS, SIZE, place
from ..game import Game, IllegalGame, check_legal
from ..outcome import handicap
from ..position import BLACK, WHITE
from ..search import Restriction
from ..sgf import first_colour

MAX_MOVES = 2000  # of a game
MAX_VISITS = 10**9  # KaTrain asks for 10,000,000 and terminates the query
MAX_KOMI = 150.0
PLAYERS = {"b": BLACK, "black": BLACK, "w": WHITE, "white": WHITE}
Side = Literal["BLACK", "WHITE", "SIDETOMOVE"]
SIDES: tuple[Side, ...] = ("BLACK", "WHITE", "SIDETOMOVE")
ACTIONS = ("query_version", "query_models", "clear_cache", "terminate", "terminate_all")
USED = {
    *("id", "moves", "initialStones", "initialPlayer", "rules", "komi", "whiteHandicapBonus", "boardXSize"),
    *("boardYSize", "analyzeTurns", "maxVisits", "includeOwnership", "includeMovesOwnership", "includePolicy"),
    *("includePVVisits", "analysisPVLen", "avoidMoves", "allowMoves", "overrideSettings", "reportDuringSearchEvery"),
    *("priority", "priorities"),
}
WITHOUT_EFFECT = {  # known to KataGo: about its noise, its uncertainty and its own search
    *("rootPolicyTemperature", "rootFpuReductionMax", "includeOwnershipStdev", "includeMovesOwnershipStdev"),
    *("includeNoResultValue",),
}
SETTINGS_WITHOUT_EFFECT = {"wideRootNoise", "analysisWideRootNoise", "ignorePreRootHistory", "humanSLProfile"}


@dataclass(frozen=True)
class Rules:
    """What of the rules matters here: the way to count, and White's points for handicap stones (0, N or N-1)."""

    scoring: Literal["AREA", "TERRITORY"]
    bonus: str = "0"

    @property
    def komi(self) -> float:
        """The komi of a query that gives none, as in KataGo."""
        return 7.5 if self.scoring == "AREA" else 6.5

    def points(self, stones: int) -> int:
        """White's points in an area count for handicap stones. Under territory rules a stone is no point."""
        if self.scoring == "TERRITORY" or self.bonus == "N":
            return stones
        return max(stones - 1, 0) if self.bonus == "N-1" else 0


TERRITORY, AREA = Rules("TERRITORY"), Rules("AREA")
RULES = {
    **dict.fromkeys(("tromp-taylor", "tt", "new-zealand", "nz", "stone-scoring", "ancient-area", "ing"), AREA),
    **dict.fromkeys(("chinese", "chinese-ogs", "chinese-kgs", "ancient-chinese"), Rules("AREA", "N")),
    **dict.fromkeys(("aga", "bga", "french", "aga-button"), Rules("AREA", "N-1")),
    **dict.fromkeys(("japanese", "korean", "territory"), TERRITORY),
}


class QueryError(ValueError):
    """A query that cannot be answered, with its id and the field at fault as far as they are known."""

    def __init__(self, message: str, name: str = "", query_id: str | None = None) -> None:
        super().__init__(message)
        self.field, self.id = name, query_id

    def to_dict(self) -> dict[str, Any]:
        """The answer to the query."""
        entries = {"error": str(self), "field": self.field, "id": self.id}
        return {key: value for key, value in entries.items() if value not in ("", None)}


@dataclass(frozen=True)
class Query:
    """Positions of a game to analyse."""

    id: str
    game: Game
    turns: tuple[int, ...]
    priorities: tuple[int, ...]
    komi: float
    bonus: int  # White's points for handicap stones
    visits: int
    seconds: float | None = None
    side: Side = "BLACK"  # whose values are reported
    report_every: float | None = None  # seconds
    ownership: bool = False
    moves_ownership: bool = False
    policy: bool = False
    pv_visits: bool = False
    pv_length: int = 15
    restrictions: Mapping[int, Restriction] = field(default_factory=dict)  # by colour
    warnings: tuple[tuple[str, str], ...] = ()  # field, message


@dataclass(frozen=True)
class Action:
    """A request about the engine or its queries; `echo` is repeated in the answer."""

    id: str
    name: str
    terminate: str = ""
    turns: tuple[int, ...] | None = None
    echo: Mapping[str, Any] = field(default_factory=dict)


def parse(line: str, visits: int) -> Query | Action:
    """The request in a line; `visits` is the default. Raises QueryError."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"could not parse the line as JSON: {shortened(str(error))}") from None
    if not isinstance(values, dict):
        raise QueryError(f"a request is a JSON object; got {shortened(json.dumps(values))}")
    query_id = values.get("id")
    if not isinstance(query_id, str):
        raise QueryError("a request has a text as its id", "id")
    try:
        return _action(query_id, values) if "action" in values else _query(query_id, values, visits)
    except QueryError as error:
        error.id = query_id
        raise


def _action(query_id: str, values: dict[str, Any]) -> Action:
    name = values["action"]
    if name not in ACTIONS:
        raise QueryError(f"unknown action {shortened(repr(name))}; known are {', '.join(ACTIONS)}", "action")
    turns = None
    if "turnNumbers" in values:
        turns = tuple(_integers(values, "turnNumbers", 0, MAX_MOVES))
    terminate = values.get("terminateId", "")
    if name == "terminate" and (not isinstance(terminate, str) or "terminateId" not in values):
        raise QueryError("terminate needs the id of a query as a text", "terminateId")
    return Action(query_id, name, terminate, turns, values)


def _query(query_id: str, values: dict[str, Any], visits: int) -> Query:
    for side in ("boardXSize", "boardYSize"):
        size = _integer(values, side, 2, 25)
        if size != SIZE:
            raise QueryError(f"this network plays on {SIZE}×{SIZE} only; got {size}", side)
    game = _game(values)
    rules = _rules(values)
    turns = tuple(_integers(values, "analyzeTurns", 0, len(game))) if "analyzeTurns" in values else (len(game),)
    settings = values.get("overrideSettings", {})
    if not isinstance(settings, dict):
        raise QueryError(f"a table of settings; got {_shown(settings)}", "overrideSettings")
    merged = values | {key: settings[key] for key in ("maxVisits",) if key in settings}
    return Query(
        query_id,
        game,
        turns,
        _priorities(values, len(turns)),
        _number(values, "komi", -MAX_KOMI, MAX_KOMI, rules.komi),
        rules.points(handicap(game)),
        _integer(merged, "maxVisits", 1, MAX_VISITS, visits),
        _number(settings, "maxTime", 1e-3, 1e9) if "maxTime" in settings else None,
        _side(settings),
        _number(values, "reportDuringSearchEvery", 1e-3, 1e6) if "reportDuringSearchEvery" in values else None,
        _boolean(values, "includeOwnership"),
        _boolean(values, "includeMovesOwnership"),
        _boolean(values, "includePolicy"),
        _boolean(values, "includePVVisits"),
        _integer(values, "analysisPVLen", 1, 1000, 15),
        _restrictions(values),
        tuple(_warnings(values, settings)),
    )


def _warnings(values: dict[str, Any], settings: dict[str, Any]) -> list[tuple[str, str]]:
    known = USED | WITHOUT_EFFECT
    unused = [(key, f"unused field{did_you_mean(key, known)}") for key in values if key not in known]
    settings_known = SETTINGS_WITHOUT_EFFECT | {"reportAnalysisWinratesAs", "maxTime", "maxVisits"}
    unused += [
        ("overrideSettings", f"unused setting {shortened(key)}") for key in settings if key not in settings_known
    ]
    deeper = [
        name
        for name in ("avoidMoves", "allowMoves")
        for entry in values.get(name, ())
        if entry.get("untilDepth", 1) > 1
    ]
    return unused + [(name, "only the first move is restricted, not deeper ones") for name in deeper[:1]]


# --- the game --------------------------------------------------------------------------------------------------------


def _game(values: dict[str, Any]) -> Game:
    stones = _moves(values.get("initialStones", []), "initialStones")
    if any(move == PASS for _, move in stones):
        raise QueryError("a stone is on a point, not a pass", "initialStones")
    if "moves" not in values:
        raise QueryError("is missing; [] is a game without moves", "moves")
    moves = _moves(values["moves"], "moves")
    player = values.get("initialPlayer", "")
    if not isinstance(player, str) or (player and player.lower() not in PLAYERS):
        raise QueryError(f"B or W; got {_shown(player)}", "initialPlayer")
    board = {move: colour for colour, move in stones}
    colours, places = [colour for colour, _ in moves], [move for _, move in moves]
    game = Game(
        "",
        SIZE,
        np.array([move for _, move in stones], np.int16),
        np.array([colour for colour, _ in stones], np.uint8),
        np.array(places, np.int16),
        np.array(colours, np.uint8),
        first_colour(player.encode(), board),
    )
    try:
        check_legal(game)
    except IllegalGame as error:  # KaTrain looks for "Illegal move" in the answer
        is_stone = str(error).startswith("a stone")
        raise QueryError(
            str(error) if is_stone else f"Illegal {error}", "initialStones" if is_stone else "moves"
        ) from None
    return game


def _moves(values: Any, name: str) -> list[tuple[int, int]]:
    """Colours and places of a list such as [["B", "D4"]]."""
    if not isinstance(values, list):
        raise QueryError(f'a list of pairs such as [["B", "D4"]]; got {_shown(values)}', name)
    if len(values) > MAX_MOVES:
        raise QueryError(f"at most {MAX_MOVES:,} entries; got {len(values):,}", name)
    result = []
    for number, entry in enumerate(values, 1):
        if not (isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry)):
            raise QueryError(f'entry {number} is not a pair such as ["B", "D4"]: {_shown(entry)}', name)
        if entry[0].lower() not in PLAYERS:
            raise QueryError(f"entry {number}: the player is B or W; got {_shown(entry[0])}", name)
        result.append((PLAYERS[entry[0].lower()], _place(entry[1], name, number)))
    return result


def _place(vertex: str, name: str, number: int) -> int:
    """A place written D4, (3,15) from the top left, or pass."""
    try:
        if vertex.startswith("(") and vertex.endswith(")"):
            column, row = (int(part) for part in vertex[1:-1].split(","))
            if 0 <= column < SIZE and 0 <= row < SIZE:
                return row * SIZE + column
            raise ValueError
        return place(vertex, SIZE)
    except ValueError:
        raise QueryError(f"entry {number}: {_shown(vertex)} is not a point of a board of {SIZE}×{SIZE}", name) from None


def _rules(values: dict[str, Any]) -> Rules:
    if "rules" not in values:
        raise QueryError("is missing; a name such as chinese, or a table", "rules")
    rules = values["rules"]
    if isinstance(rules, str) and rules.strip().startswith("{"):  # KataGo reads an object written as a text
        try:
            rules = json.loads(rules)
        except (ValueError, RecursionError):
            raise QueryError(f"is not a table; got {_shown(rules)}", "rules") from None
    if isinstance(rules, str):
        name = rules.strip().lower().replace("_", "-").replace(" ", "-")
        if name not in RULES:
            raise QueryError(
                f"unknown rules {_shown(rules)}{did_you_mean(name, RULES)}; known are {', '.join(RULES)}", "rules"
            )
        chosen = RULES[name]
    elif isinstance(rules, dict):
        scoring = rules.get("scoring", rules.get("scoringRule", "AREA"))
        if scoring not in ("AREA", "TERRITORY"):
            raise QueryError(f"scoring is AREA or TERRITORY; got {_shown(scoring)}", "rules")
        chosen = Rules(scoring, rules.get("whiteHandicapBonus", "0"))
    else:
        raise QueryError(f"a name such as chinese, or a table; got {_shown(rules)}", "rules")
    bonus = values.get("whiteHandicapBonus", chosen.bonus)
    if bonus not in ("0", "N", "N-1"):
        raise QueryError(f"0, N or N-1; got {_shown(bonus)}", "whiteHandicapBonus")
    return Rules(chosen.scoring, bonus)


def _restrictions(values: dict[str, Any]) -> dict[int, Restriction]:
    """The moves that each colour may try first."""
    result: dict[int, Restriction] = {}
    for name in ("avoidMoves", "allowMoves"):
        entries = values.get(name, [])
        if not isinstance(entries, list):
            raise QueryError(f"a list of tables; got {_shown(entries)}", name)
        for entry in entries:
            colour, places = _restriction(entry, name)
            before = result.get(colour, Restriction())
            if name == "avoidMoves":
                result[colour] = Restriction(before.avoided | places, before.allowed)
            else:
                result[colour] = Restriction(before.avoided, places)
    return result


def _restriction(entry: Any, name: str) -> tuple[int, frozenset[int]]:
    if not isinstance(entry, dict) or not isinstance(entry.get("moves"), list):
        raise QueryError(f'a table with "player", "moves" and "untilDepth"; got {_shown(entry)}', name)
    player = entry.get("player")
    if not isinstance(player, str) or player.lower() not in PLAYERS:
        raise QueryError(f"the player is B or W; got {_shown(player)}", name)
    _integer(entry, "untilDepth", 1, 10**9, 1, name)
    moves = entry["moves"]
    if not all(isinstance(move, str) for move in moves):
        raise QueryError(f"moves are texts such as D4; got {_shown(moves)}", name)
    return PLAYERS[player.lower()], frozenset(_place(move, name, number) for number, move in enumerate(moves, 1))


# --- values ----------------------------------------------------------------------------------------------------------


def _priorities(values: dict[str, Any], turns: int) -> tuple[int, ...]:
    limit = 2**31
    if "priorities" not in values:
        return (_integer(values, "priority", -limit, limit, 0),) * turns
    priorities = tuple(_integers(values, "priorities", -limit, limit))
    if len(priorities) != turns:
        raise QueryError(f"one for each of the {turns} turns; got {len(priorities)}", "priorities")
    return priorities


def _side(settings: dict[str, Any]) -> Side:
    value = settings.get("reportAnalysisWinratesAs", "BLACK")
    for side in SIDES:
        if isinstance(value, str) and value.upper() == side:
            return side
    raise QueryError(f"reportAnalysisWinratesAs is {', '.join(SIDES)}; got {_shown(value)}", "overrideSettings")


def _integer(
    values: Mapping[str, Any], key: str, low: int, high: int, default: int | None = None, name: str = ""
) -> int:
    """A whole number of a range; a number such as 5.0 is one."""
    if key not in values and default is not None:
        return default
    if key not in values:
        raise QueryError("is missing", name or key)
    number = values[key]
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise QueryError(f"a whole number from {low:,} to {high:,}; got {_shown(values[key])}", name or key)
    return number


def _integers(values: Mapping[str, Any], key: str, low: int, high: int) -> Sequence[int]:
    entries = values[key]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_MOVES + 1:
        raise QueryError(f"a list of up to {MAX_MOVES + 1:,} whole numbers; got {_shown(entries)}", key)
    return [_integer({key: entry}, key, low, high) for entry in entries]


def _number(values: Mapping[str, Any], key: str, low: float, high: float, default: float | None = None) -> float:
    if key not in values and default is not None:
        return default
    number = values[key]
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not math.isfinite(float(min(max(number, -1e300), 1e300))) or not low <= number <= high:
        raise QueryError(f"a number from {low:g} to {high:g}; got {_shown(number)}", key)
    return float(number)


def _boolean(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise QueryError(f"true or false; got {_shown(value)}", key)
    return value


def _shown(value: Any) -> str:
    """A value for a message, shortened."""
    try:
        return shortened(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        return "a value that cannot be shown"
