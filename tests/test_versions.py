import threading
import time

import pytest
import small
from tensorflow_serving.apis import get_model_status_pb2

from serving import answers
from serving import manager
from serving import messages

STATE = get_model_status_pb2.ModelVersionStatus.State


class TestFolders:
    def test_a_new_version_replaces_the_old_one(self, home, versions):
        with small.following(home) as core:
            assert small.factor(core) == 1
            small.copy_version(versions / "2", home / "2")
            small.reaches(core, "2 AVAILABLE, 1 END")
            assert small.factor(core) == 2
            with pytest.raises(messages.StatusError, match=r"Specific\(m, 1\)"):
                small.factor(core, version=1)

    def test_going_back_loads_the_old_one_again(self, home, versions):
        small.copy_version(versions / "2", home / "2")
        with small.following(home) as core:
            (home / "2").rename(home / "bad-2")
            small.reaches(core, "2 END, 1 AVAILABLE")
            assert small.factor(core) == 1

    def test_no_request_fails_during_a_swap(self, home, versions):
        with small.following(home) as core:
            seen, over = [], threading.Event()

            def ask():
                while not over.is_set():
                    seen.append(small.factor(core))

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            small.copy_version(versions / "2", home / "2")
            small.reaches(core, "2 AVAILABLE, 1 END")
            over.set()
            for thread in threads:
                thread.join()
            seen.append(small.factor(core))
        assert set(seen) == {1, 2}

    def test_a_request_in_flight_ends_on_its_version(self, home, versions):
        with small.following(home) as core:
            request = small.request()
            with core.borrow(request.model_spec) as servable:
                small.copy_version(versions / "2", home / "2")
                small.reaches(core, "2 AVAILABLE, 1 UNLOADING")
                time.sleep(0.1)
                assert small.states(core) == "2 AVAILABLE, 1 UNLOADING"
                assert small.factor(core) == 2
                assert servable.predict(request).outputs["y"].float_val == [1]
            small.reaches(core, "2 AVAILABLE, 1 END")

    def test_without_versions_a_model_is_gone(self, home):
        with small.following(home) as core:
            (home / "1").rename(home / "off")
            small.reaches(core, "1 END")
            with pytest.raises(messages.StatusError, match=r"Latest\(m\)"):
                small.factor(core)

    def test_a_lost_base_path_changes_nothing(self, home):
        with small.following(home) as core:
            home.rename(home.with_name("lost"))
            time.sleep(0.1)
            assert small.states(core) == "1 AVAILABLE"

    def test_a_half_copied_version_ends_and_stays_so(self, home, versions):
        with small.following(home) as core:
            (home / "2").mkdir()
            small.reaches(core, "2 END, 1 AVAILABLE")
            state = core.states("m")[2]
            assert state.code == 5
            assert state.message.startswith(
                "Specified file path does not appear to contain a SavedModel "
                "bundle"
            )
            graph = (versions / "2" / "saved_model.pb").read_bytes()
            (home / "2" / "saved_model.pb").write_bytes(graph)
            time.sleep(0.1)
            assert small.states(core) == "2 END, 1 AVAILABLE"
            assert small.factor(core) == 1

    @pytest.mark.parametrize("content", [b"", b"garbage"])
    def test_a_broken_graph_ends(self, home, content):
        with small.following(home) as core:
            (home / "whole").mkdir()
            (home / "whole" / "saved_model.pb").write_bytes(content)
            (home / "whole").rename(home / "2")
            small.reaches(core, "2 END, 1 AVAILABLE")
            assert core.states("m")[2].code

    def test_numbers_alone_are_versions(self, home, versions):
        for name in ("tmp-2", "tmp05", "-3", "2.0", "\u0663", "9" * 30):
            (home / name).mkdir()
        small.copy_version(versions / "2", home / "05")
        with small.following(home) as core:
            assert small.states(core) == "5 AVAILABLE"

    def test_0_looks_once(self, home, versions):
        with small.following(home, poll_seconds=0) as core:
            small.copy_version(versions / "2", home / "2")
            time.sleep(0.1)
            assert small.states(core) == "1 AVAILABLE"

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("", {3}),
            ("all {}", {1, 2, 3}),
            ("latest { num_versions: 2 }", {2, 3}),
            ("latest {}", {3}),
            ("specific { versions: 1 versions: 9 }", {1}),
        ],
    )
    def test_a_policy_picks(self, versions, policy, expected):
        policy = f"model_version_policy {{ {policy} }}" if policy else ""
        with small.following(versions, policy, poll_seconds=0) as core:
            assert set(core.models["m"]) == expected


class TestStates:
    def test_a_version_goes_through_them(self, home, versions, monkeypatch):
        seen = []
        note = manager.Manager._set

        def noted(self, name, number, state, *rest):
            seen.append(f"{number} {STATE.Name(state)}")
            note(self, name, number, state, *rest)

        monkeypatch.setattr(manager.Manager, "_set", noted)
        with small.following(home) as core:
            small.copy_version(versions / "2", home / "2")
            small.reaches(core, "2 AVAILABLE, 1 END")
        assert seen == [
            "1 START",
            "1 LOADING",
            "1 AVAILABLE",
            "2 START",
            "2 LOADING",
            "2 AVAILABLE",
            "1 UNLOADING",
            "1 END",
        ]

    def test_of_one_version_that_failed(self, home):
        small.write_warm_up(
            home / "1", 'predict_log { request { model_spec { name: "x" } } }'
        )
        (home / "1").rename(home / "2")
        small.write_scale(home / "1")
        with small.following(home, small.ALL) as core:
            asked = get_model_status_pb2.GetModelStatusRequest()
            asked.model_spec.name = "m"
            asked.model_spec.version.value = 2
            (status,) = answers.status(core, asked).model_version_status
        assert status.state == status.END
        assert status.status.error_code == 3
        assert status.status.error_message.startswith("input size does not")
