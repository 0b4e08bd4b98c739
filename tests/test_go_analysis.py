"""KataGo's JSON analysis protocol: fields of queries and answers, errors by id, priorities, and arbitrary input."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from go_policies import evaluate_by_area, evaluate_nothing, model_file
from neocog.go.analysis import query as queries
from neocog.go.analysis.engine import SEARCHED, AnalysisEngine, serve
from neocog.go.play.gtp import Script

# KataGo's fields (docs/Analysis_Engine.md), by part of an answer.
ANSWER = {"id", "isDuringSearch", "turnNumber", "moveInfos", "rootInfo"}
MOVE = {
    *("move", "visits", "edgeVisits", "weight", "edgeWeight", "winrate", "scoreMean", "scoreStdev", "scoreLead"),
    *("scoreSelfplay", "prior", "utility", "lcb", "utilityLcb", "order", "pv"),
}
ROOT = {
    *("currentPlayer", "winrate", "scoreLead", "scoreSelfplay", "scoreStdev", "utility", "visits", "weight"),
    *("thisHash", "symHash", "rawWinrate", "rawLead", "rawScoreSelfplay", "rawScoreSelfplayStdev", "rawNoResultProb"),
    *("rawStWrError", "rawStScoreError", "rawVarTimeLeft"),
}
MOVES = [["B", "D4"], ["W", "Q16"], ["B", "Q4"], ["W", "D16"]]


def query(query_id: str = "a", **fields) -> str:
    values = {"id": query_id, "moves": MOVES, "rules": "japanese", "komi": 6.5, "boardXSize": 19, "boardYSize": 19,
              "maxVisits": 4} | fields  # fmt: skip
    return json.dumps({key: value for key, value in values.items() if value is not None})


def ask(*lines: str, evaluator=evaluate_nothing) -> list[dict]:
    """The answers to some lines that are there from the start."""
    answers: list[dict] = []
    serve(AnalysisEngine(evaluator, 3, answers.append), Lines(lines))
    for answer in answers:
        json.dumps(answer)
    return answers


class Lines(Script):
    """Lines that are available from the start; after the last, nothing waits."""

    def __init__(self, lines) -> None:
        self.left = list(lines)

    def next(self):
        return self.left.pop(0) if self.left else None


def error(line: str) -> dict:
    (answer,) = ask(line)
    assert set(answer) <= {"error", "field", "id"}
    return answer


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_has_the_fields_of_katago():
    (answer,) = ask(query(includePolicy=True, includeOwnership=True, includePVVisits=True, includeMovesOwnership=True))
    assert set(answer) == ANSWER | {"policy", "ownership"}
    assert answer["id"] == "a" and answer["turnNumber"] == 4 and answer["isDuringSearch"] is False
    assert len(answer["policy"]) == 362 and len(answer["ownership"]) == 361
    assert set(answer["rootInfo"]) == ROOT and answer["rootInfo"]["visits"] == 4
    for order, move in enumerate(answer["moveInfos"]):
        assert set(move) == MOVE | {"pvVisits", "pvEdgeVisits", "ownership"} and move["order"] == order
        assert move["pv"][0] == move["move"] and len(move["pv"]) == len(move["pvVisits"])


def test_a_query_for_one_visit_still_names_a_move():
    (answer,) = ask(query(maxVisits=1))
    assert answer["rootInfo"]["visits"] == 1
    assert [move["visits"] for move in answer["moveInfos"]] == [1] and answer["moveInfos"][0]["move"] == "A19"


def test_policy_is_minus_one_for_illegal_moves():
    (answer,) = ask(query(includePolicy=True, maxVisits=1))
    taken = {(19 - int(name[1:])) * 19 + "ABCDEFGHJKLMNOPQRST".index(name[0]) for _, name in MOVES}
    assert {i for i, share in enumerate(answer["policy"]) if share == -1} == taken
    assert sum(share for share in answer["policy"] if share > 0) == pytest.approx(1, abs=1e-3)


def test_every_turn_asked_for_is_answered_once():
    answers = ask(query(analyzeTurns=[0, 2, 4]))
    assert sorted(answer["turnNumber"] for answer in answers) == [0, 2, 4]
    assert {answer["turnNumber"]: answer["rootInfo"]["currentPlayer"] for answer in answers} == dict.fromkeys(
        (0, 2, 4), "B"
    )
    assert ask(query(analyzeTurns=[1]))[0]["rootInfo"]["currentPlayer"] == "W"


def test_values_are_those_of_black_unless_asked_otherwise():
    fields = {"moves": [["B", "D4"]], "komi": 3.5, "maxVisits": 1}  # the area is Black's; White to move

    def root(side=None):
        settings = {} if side is None else {"overrideSettings": {"reportAnalysisWinratesAs": side}}
        return ask(query(**fields, **settings), evaluator=evaluate_by_area)[0]["rootInfo"]

    assert root()["scoreLead"] == root("BLACK")["scoreLead"] == 361 - 3.5
    assert root("WHITE")["scoreLead"] == root("SIDETOMOVE")["scoreLead"] == 3.5 - 361
    assert root()["winrate"] > 0.99 and root("white")["winrate"] < 0.01


def test_handicap_stones_are_points_of_white_in_an_area_count():
    """Under territory rules and where the rules give them back; Tromp–Taylor's do not."""

    def lead(**fields):
        stones = {"initialStones": [["B", "D4"], ["B", "Q16"]], "initialPlayer": "W", "moves": []}
        return ask(query(**stones, komi=0.5, maxVisits=1, **fields), evaluator=evaluate_by_area)[0]["rootInfo"][
            "scoreLead"
        ]

    assert lead(rules="japanese") == lead(rules="chinese") == 361 - 2.5
    assert lead(rules="aga") == 361 - 1.5 and lead(rules="tromp-taylor") == lead(rules="new zealand") == 361 - 0.5
    table = {"ko": "SIMPLE", "scoring": "AREA", "whiteHandicapBonus": "N", "suicide": False}
    assert lead(rules=table) == lead(rules=json.dumps(table)) == 361 - 2.5
    assert lead(rules=table, whiteHandicapBonus="0") == 361 - 0.5


def test_komi_defaults_to_that_of_the_rules():
    for rules, komi in (("chinese", 7.5), ("japanese", 6.5), ("stone_scoring", 7.5), ("tt", 7.5), ({}, 7.5)):
        request = queries.parse(query(rules=rules, komi=None), 1)
        assert request.komi == komi


def test_the_player_is_the_initial_one_before_the_first_move():
    for player, current in (("B", "B"), ("white", "W")):
        (answer,) = ask(query(moves=[], initialPlayer=player))
        assert answer["rootInfo"]["currentPlayer"] == current
    (answer,) = ask(query(moves=[], initialStones=[["B", "D4"], ["B", "Q4"]]))
    assert answer["rootInfo"]["currentPlayer"] == "W"


def test_avoided_and_allowed_moves_restrict_the_player_to_move():
    avoid = [{"player": "B", "moves": ["A19", "B19"], "untilDepth": 1}]
    (answer,) = ask(query(avoidMoves=avoid, maxVisits=20))
    assert not {"A19", "B19"} & {move["move"] for move in answer["moveInfos"]}
    (answer,) = ask(query(allowMoves=[{"player": "B", "moves": ["T1"], "untilDepth": 1}], maxVisits=20))
    assert [move["move"] for move in answer["moveInfos"]] == ["T1"]
    (answer,) = ask(query(avoidMoves=[{"player": "W", "moves": ["A19"], "untilDepth": 1}], maxVisits=1))
    assert answer["moveInfos"][0]["move"] == "A19"


def test_points_may_be_written_as_pairs_of_numbers():
    (answer,) = ask(query(moves=[["B", "(3,15)"]], includePolicy=True, maxVisits=1))
    assert answer["policy"][15 * 19 + 3] == -1  # D4


def test_unknown_fields_are_warned_of_and_answered():
    warning, answer = ask(query(includePolicies=True))
    assert warning == {"field": "includePolicies", "id": "a", "warning": "unused field (did you mean includePolicy?)"}
    assert answer["id"] == "a" and "moveInfos" in answer


def test_what_katrain_sends_is_answered_without_a_warning():
    """The query of katrain/core/engine.py, 1.20."""
    (answer,) = ask(query(
        "QUERY:1", priority=3, analyzeTurns=[4], includeOwnership=True, includeMovesOwnership=True, includePolicy=True,
        initialStones=[], initialPlayer="B", reportDuringSearchEvery=1.0,
        overrideSettings={"reportAnalysisWinratesAs": "BLACK", "wideRootNoise": 0.04, "maxTime": 8.0},
    ))  # fmt: skip
    assert answer["id"] == "QUERY:1" and "warning" not in answer


# --- order, time and actions -----------------------------------------------------------------------------------------


def test_higher_priorities_are_answered_first_and_equal_ones_in_order():
    lines = [query(f"q{i}", priority=i % 3, maxVisits=1 + 40 * (i == 0)) for i in range(2 * SEARCHED)]
    order = [int(answer["id"][1:]) for answer in ask(*lines)]
    assert [i % 3 for i in order[:10]] == [2] * 10
    assert order[:10] == sorted(order[:10])
    answers = ask(query(analyzeTurns=[0, 1, 2], priorities=[1, 3, 2], maxVisits=30))
    assert [answer["turnNumber"] for answer in answers] == [1, 2, 0]


def test_positions_of_several_queries_go_through_the_network_together():
    sizes = []

    def counting(batch):
        sizes.append(len(batch.rows))
        return evaluate_nothing(batch)

    game = [["BW"[i % 2], f"{'ABCDEFGHJK'[i % 10]}{1 + i // 10}"] for i in range(64)]
    assert len(ask(query(moves=game, analyzeTurns=list(range(64)), maxVisits=1), evaluator=counting)) == 64
    assert sizes == [16] * 4


def test_a_search_is_reported_while_it_goes_on():
    def slow(batch):
        time.sleep(0.01)
        return evaluate_nothing(batch)

    *partial, last = ask(query(maxVisits=60, reportDuringSearchEvery=0.02), evaluator=slow)
    assert partial and all(answer["isDuringSearch"] for answer in partial) and not last["isDuringSearch"]
    visits = [answer["rootInfo"]["visits"] for answer in [*partial, last]]
    assert visits == sorted(visits) and visits[-1] == 60


def test_a_search_ends_after_its_time():
    def slow(batch):
        time.sleep(0.02)
        return evaluate_nothing(batch)

    (answer,) = ask(query(maxVisits=10_000_000, overrideSettings={"maxTime": 0.1}), evaluator=slow)
    assert 1 <= answer["rootInfo"]["visits"] < 200


def terminate(query_id="t", terminate_id="a", **fields):
    return json.dumps({"id": query_id, "action": "terminate", "terminateId": terminate_id, **fields})


def test_terminate_ends_a_query_before_its_search():
    echo, answer = ask(query(), terminate())
    assert echo == {"id": "t", "action": "terminate", "terminateId": "a"}
    assert answer == {"id": "a", "isDuringSearch": False, "noResults": True, "turnNumber": 4}


def test_terminate_ends_a_search_with_what_it_has():
    answers: list[dict] = []
    engine = AnalysisEngine(evaluate_nothing, 3, answers.append)
    engine.request(query(maxVisits=10_000_000))
    for _ in range(4):
        engine.step()
    engine.request(terminate())
    assert answers[1]["id"] == "a" and answers[1]["rootInfo"]["visits"] >= 4 and not engine.jobs


def test_terminate_of_what_is_done_is_only_echoed():
    engine_answers = ask(terminate("t", "nothing"))
    assert engine_answers == [{"id": "t", "action": "terminate", "terminateId": "nothing"}]


def test_terminate_of_some_turns_and_of_all():
    answers = ask(query(analyzeTurns=[0, 1, 2]), terminate(turnNumbers=[1]))
    assert [answer.get("noResults", False) for answer in answers[1:]] == [True, False, False]
    answers = ask(query("a"), query("b"), json.dumps({"id": "t", "action": "terminate_all"}))
    assert [answer["id"] for answer in answers] == ["t", "a", "b"]


def test_actions_are_echoed_with_their_answer():
    (answer,) = ask(json.dumps({"id": "v", "action": "query_version"}))
    assert answer["version"].startswith("neocog-") and answer["git_hash"] and answer["action"] == "query_version"
    (answer,) = ask(json.dumps({"id": "m", "action": "query_models"}))
    assert answer["models"][0]["name"] == "go"
    assert ask(json.dumps({"id": "c", "action": "clear_cache"})) == [{"id": "c", "action": "clear_cache"}]


# --- errors ----------------------------------------------------------------------------------------------------------

LEGAL_57 = [["BW"[i % 2], f"{'ABCDEFGHJKLMNOPQRST'[(i * 2) % 19]}{1 + 2 * (i * 2 // 19)}"] for i in range(56)]
BAD = [
    (query(None), None, "id", "a request has a text as its id"),
    (query(boardXSize=9, boardYSize=9), "a", "boardXSize", "this network plays on 19×19 only; got 9"),
    (query(boardYSize=13), "a", "boardYSize", "this network plays on 19×19 only; got 13"),
    (query(boardXSize=None), "a", "boardXSize", "is missing"),
    (query(moves=[["B", "D4"], ["W", "pass"]] * 5000), "a", "moves", "at most 2,000 entries; got 10,000"),
    (query(moves=[*LEGAL_57, ["B", "A1"]]), "a", "moves", "Illegal move 57, black A1: the point is occupied"),
    (query(moves=[["B", "Z4"]]), "a", "moves", 'entry 1: "Z4" is not a point of a board of 19×19'),
    (query(moves=[["X", "D4"]]), "a", "moves", 'entry 1: the player is B or W; got "X"'),
    (query(moves=[["B"]]), "a", "moves", 'entry 1 is not a pair such as ["B", "D4"]'),
    (query(moves="D4"), "a", "moves", "a list of pairs"),
    (query(moves=None), "a", "moves", "is missing; [] is a game without moves"),
    (query(rules="japnese"), "a", "rules", 'unknown rules "japnese" (did you mean japanese?)'),
    (query(rules="klingon"), "a", "rules", 'unknown rules "klingon" (did you mean ing?); known are tromp-taylor'),
    (query(rules={"scoring": "GUESS"}), "a", "rules", 'scoring is AREA or TERRITORY; got "GUESS"'),
    (query(rules=7), "a", "rules", "a name such as chinese, or a table; got 7"),
    (query(rules=None), "a", "rules", "is missing; a name such as chinese, or a table"),
    (query(maxVisits=0), "a", "maxVisits", "a whole number from 1 to 1,000,000,000; got 0"),
    (query(maxVisits=True), "a", "maxVisits", "a whole number from 1"),
    (query(komi="six"), "a", "komi", 'a number from -150 to 150; got "six"'),
    (query(komi=1e400), "a", "komi", "a number from -150 to 150"),
    (query(analyzeTurns=[5]), "a", "analyzeTurns", "a whole number from 0 to 4; got 5"),
    (query(analyzeTurns=[]), "a", "analyzeTurns", "a list of up to"),
    (query(priorities=[1, 2]), "a", "priorities", "one for each of the 1 turns; got 2"),
    (query(initialStones=[["B", "D4"], ["W", "D4"]], moves=[]), "a", "initialStones", "a stone set up at white D4"),
    (query(initialStones=[["B", "pass"]]), "a", "initialStones", "a stone is on a point, not a pass"),
    (query(initialPlayer="green"), "a", "initialPlayer", 'B or W; got "green"'),
    (query(overrideSettings={"reportAnalysisWinratesAs": "RED"}), "a", "overrideSettings", "BLACK, WHITE, SIDETOMOVE"),
    (query(overrideSettings=[]), "a", "overrideSettings", "a table of settings"),
    (query(includePolicy="yes"), "a", "includePolicy", 'true or false; got "yes"'),
    (query(reportDuringSearchEvery=0), "a", "reportDuringSearchEvery", "a number from 0.001"),
    (query(avoidMoves=[{"moves": ["D4"]}]), "a", "avoidMoves", "the player is B or W"),
    (query(avoidMoves=[3]), "a", "avoidMoves", 'a table with "player"'),
    (json.dumps({"id": "x", "action": "dance"}), "x", "action", "unknown action 'dance'"),
    (json.dumps({"id": "x", "action": "terminate"}), "x", "terminateId", "terminate needs the id of a query"),
    ("{", None, None, "could not parse the line as JSON"),
    ("[1]", None, None, "a request is a JSON object; got [1]"),
    ("[" * 100_000, None, None, "could not parse the line as JSON"),
]


@pytest.mark.parametrize(("line", "query_id", "field", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_a_bad_query_is_an_error_with_its_id_and_field(line, query_id, field, message):
    answer = error(line)
    assert answer.get("id") == query_id and answer.get("field") == field and message in answer["error"]
    assert len(answer["error"]) < 400


def test_the_engine_answers_after_an_error():
    answers = ask("nonsense", "", query("good"), query("bad", maxVisits=0))
    assert [answer.get("id") for answer in answers] == [None, "bad", "good"]


def test_an_evaluator_that_fails_is_an_error_of_its_queries():
    def broken(batch):
        raise ValueError("no memory")

    assert ask(query("a"), query("b"), evaluator=broken) == [
        {"error": "no memory", "id": "a"},
        {"error": "no memory", "id": "b"},
    ]


def mutated(line: str, rng: random.Random) -> str:
    """A query with a few characters or values changed."""
    if rng.random() < 0.5:
        text = list(line)
        for _ in range(rng.randint(1, 5)):
            place = rng.randrange(len(text))
            text[place] = rng.choice(
                ['"', "{", "}", "[", "]", ",", ":", "9", "-", "\\", "\x00", "é", "", "null", "1e999"]
            )
        return "".join(text)
    values = json.loads(line)
    for key in rng.sample(sorted(values), rng.randint(1, min(3, len(values)))):
        odd = [None, -1, 0, 1e308, 10**30, "", "x", [], {}, [[]], [None], True, {"a": {}}, [["B", 4]], [["B", "T0"]]]
        values[key] = rng.choice(odd)
    return json.dumps(values)


def fuzz(count: int, seed: int) -> None:
    rng = random.Random(seed)
    bases = [
        query(maxVisits=1, analyzeTurns=[0], initialStones=[["B", "A1"]], initialPlayer="B", includePolicy=True,
              avoidMoves=[{"player": "B", "moves": ["D4"], "untilDepth": 1}], priority=1, reportDuringSearchEvery=1,
              overrideSettings={"maxTime": 1}, whiteHandicapBonus="N"),
        terminate(),
        json.dumps({"id": "v", "action": "query_version"}),
    ]  # fmt: skip
    answers: list[dict] = []
    engine = AnalysisEngine(evaluate_nothing, 1, answers.append)
    for _ in range(count):
        before = len(answers)
        line = mutated(rng.choice(bases), rng)
        engine.request(line)
        assert len(answers) > before or engine.jobs or not line.strip()
        del engine.jobs[:]
        assert not any("internal error" in str(answer.get("error")) for answer in answers[before:]), line
        del answers[:]


def test_arbitrary_lines_are_answered():
    fuzz(3000, 0)


@pytest.mark.slow
def test_a_hundred_thousand_arbitrary_lines_are_answered():
    fuzz(100_000, 1)


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_answers_until_its_input_ends(command, tmp_path):
    """With a model without a value head: values of playouts."""
    model = model_file(tmp_path / "m.safetensors")
    lines = "\n".join(
        [query("1", maxVisits=3), query("2", boardXSize=9), query("3", maxVisits=1, includeOwnership=True)]
    )
    code, out, err = command("go", "analysis", model, stdin=lines.encode())
    answers = {answer["id"]: answer for answer in map(json.loads, out.splitlines())}
    assert code == 0 and set(answers) == {"1", "2", "3"} and "Traceback" not in err
    assert 0 <= answers["1"]["rootInfo"]["winrate"] <= 1 and "error" in answers["2"]
    assert len(answers["3"]["ownership"]) == 361


def test_a_pipe_that_closes_in_mid_search_ends_the_command(tmp_path):
    command = [sys.executable, "-m", "neocog", "go", "analysis", model_file(tmp_path / "m.safetensors")]
    engine = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    engine.stdin.write((query(maxVisits=10_000_000, reportDuringSearchEvery=0.01) + "\n").encode())
    engine.stdin.flush()
    assert json.loads(engine.stdout.readline())["isDuringSearch"]
    engine.stdout.close()
    assert engine.wait(60) == 0
    assert b"Traceback" not in engine.stderr.read()
    engine.stdin.close()
    engine.stderr.close()


def test_the_engine_is_entered_in_katrains_settings_and_the_rest_stays(command, tmp_path):
    path = tmp_path / "config.json"
    before = {"general": {"version": "1.20.0", "lang": "ko"}, "engine": {"model": "b18", "max_visits": 500}}
    path.write_text(json.dumps(before))
    code, out, err = command("go", "analysis", "my.safetensors", "--write-katrain-config", path)
    assert code == 0 and not out and "start KaTrain" in err
    values = json.loads(path.read_text())
    assert values["general"] == before["general"] and values["engine"]["model"] == "b18"
    engine = values["engine"]
    assert engine["backend"] == "custom" and engine["max_visits"] == 20
    assert (
        str(Path("my.safetensors").absolute()) in engine["altcommand"]
        and "-m neocog go analysis" in engine["altcommand"]
    )
    assert json.loads((tmp_path / "config.json.before-neocog").read_text()) == before


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, 2, "does not exist; start KaTrain once, which writes it, and run this again"),
        ("[]", 3, "is not KaTrain's config.json"),
        ("{", 3, "is not KaTrain's config.json"),
        ('{"engine": {}}', 3, "is not KaTrain's config.json ('general'); expected what KaTrain wrote"),
        ('{"general": {"version": 2}, "engine": {}}', 3, "its version is no text"),
    ],
)
def test_other_files_are_not_taken_for_katrains_settings(command, tmp_path, content, code, message):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    result = command("go", "analysis", "--write-katrain-config", path)
    assert result[0] == code and message in result[2] and [*tmp_path.iterdir()] == ([path] if content else [])


def test_zero_visits_is_wrong_use(command, tmp_path):
    code, out, err = command("go", "analysis", model_file(tmp_path / "m.safetensors"), "--visits", "0")
    assert code == 2 and not out and "--visits" in err


def test_a_model_of_another_domain_is_refused(command, tmp_path):
    code, _, err = command("go", "analysis", model_file(tmp_path / "m.safetensors", domain="text"))
    assert code and err.count("\n") == 1 and "Traceback" not in err
