import pytest
import small
from tensorflow_serving.config import model_server_config_pb2

from serving import manager
from serving import messages


class TestReload:
    def test_replaces_all(self, home, versions):
        with small.following(home) as core:
            core.reload(small.config_of(versions, name="n"))
            assert small.states(core, "n") == "3 AVAILABLE"
            small.reaches(core, "1 END")
            with pytest.raises(messages.StatusError, match=r"Latest\(m\)"):
                small.factor(core)
            core.reload(small.config_of(home))
            assert small.factor(core) == 1

    def test_changes_a_policy(self, versions):
        with small.following(versions) as core:
            core.reload(small.config_of(versions, small.ALL))
            assert small.states(core) == "3 AVAILABLE, 2 AVAILABLE, 1 AVAILABLE"

    @pytest.mark.parametrize(
        ("models", "message"),
        [
            (
                [small.entry("/a"), small.entry("/b")],
                "Illegal to list model m multiple times in config list",
            ),
            (
                [small.entry("models/m")],
                "Expected model m to have an absolute path or URI; got "
                "base_path()=models/m",
            ),
            (
                [small.entry("/a", 'model_platform: ""', "n")],
                "Illegal setting neither ModelServerConfig::model_type "
                "(deprecated) nor ModelServerConfig::model_platform, model "
                "name is n",
            ),
            (
                [small.entry("/a", 'model_platform: "torch"', "n")],
                "Model n requests unsupported platform torch",
            ),
            (
                [small.entry("/a", 'model_platform: "torch"')],
                "Illegal to change a model's platform. For model m platform "
                "was tensorflow and new platform requested is torch",
            ),
        ],
    )
    def test_that_is_wrong_changes_nothing(self, home, models, message):
        with small.following(home) as core:
            config = small.config(*models)
            assert small.refused(core, config) == (3, message)
            assert small.factor(core) == 1

    def test_of_nothing(self, home):
        with small.following(home) as core:
            nothing = model_server_config_pb2.ModelServerConfig()
            assert small.refused(core, nothing) == (
                3,
                "ServerModelConfig type not supported by "
                "HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported",
            )

    def test_of_a_model_without_versions(self, home, tmp_path):
        with small.following(home) as core:
            (tmp_path / "n").mkdir()
            both = small.config(
                small.entry(home),
                small.entry(tmp_path / "n", name="n"),
            )
            code, message = small.refused(core, both)
            assert code == 5
            assert message.startswith("No versions of servable n found under")

    def test_of_a_model_that_does_not_load(self, home, tmp_path):
        with small.following(home) as core:
            (tmp_path / "n" / "7").mkdir(parents=True)
            both = small.config(
                small.entry(home),
                small.entry(tmp_path / "n", name="n"),
            )
            code, message = small.refused(core, both)
            assert code == 2
            assert message.startswith(
                "1 servable(s) did not become available: {{{name: n version: 7}"
                " due to error: NOT_FOUND: Specified file path does not"
            )


def label(number, name="stable"):
    return f'version_labels {{ key: "{name}" value: {number} }}'


class TestLabels:
    @pytest.fixture
    def core(self, versions):
        with small.following(versions, small.ALL) as core:
            core.reload(small.config_of(versions, small.ALL + label(2)))
            yield core

    def test_name_a_version(self, core):
        assert small.factor(core, label="stable") == 2
        with pytest.raises(messages.StatusError, match="label: beta"):
            small.factor(core, label="beta")

    def test_move(self, core, versions):
        core.reload(small.config_of(versions, small.ALL + label(1)))
        assert small.factor(core, label="stable") == 1

    def test_that_cannot_be_leave_the_others(self, core, versions):
        both = small.ALL + label(1) + label(9, "canary")
        assert small.refused(core, small.config_of(versions, both)) == (
            9,
            "Request to assign label to version 9 of model m, which is not "
            "currently available for inference",
        )
        assert small.factor(core, label="stable") == 2

    def test_fail_the_start(self, versions):
        config = small.config_of(versions, label(3))
        with pytest.raises(ValueError, match="Request to assign label"):
            manager.Manager(0).start(config)

    def test_unless_they_may_be_early(self, versions):
        with small.following(versions, label(3), early_labels=True) as core:
            assert small.factor(core, label="stable") == 3
            moved = small.config_of(versions, label(9))
            assert small.refused(core, moved)[0] == 9  # In use: not so freely.
            new = small.config_of(versions, label(3) + label(9, "canary"))
            core.reload(new)
            with pytest.raises(messages.StatusError, match=r"Specific\(m, 9\)"):
                small.factor(core, label="canary")


class TestStart:
    def test_without_a_version(self, tmp_path):
        for home in (tmp_path, tmp_path / "gone"):
            config = small.config_of(home)
            with pytest.raises(ValueError, match="No versions of servable m"):
                manager.Manager(0).start(config)

    def test_in_the_folder_of_a_version(self, home):
        config = small.config_of(home / "1")
        with pytest.raises(ValueError, match="leaf directory as a number"):
            manager.Manager(0).start(config)

    def test_with_a_version_that_does_not_load(self, tmp_path):
        (tmp_path / "1").mkdir()
        config = small.config_of(tmp_path)
        with pytest.raises(ValueError, match="did not become available"):
            manager.Manager(0).start(config)
