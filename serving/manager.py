"""Models that follow a configuration and the folders it names.

A version is loaded before the one it replaces goes, and one that does not load
changes nothing: the old one keeps serving. Requests in flight are finished by
the version that they began with.
"""

import contextlib
import pathlib
import threading
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from absl import logging
from tensorflow_serving.apis import get_model_status_pb2

from serving import messages
from serving import model_list
from serving import standin

_UNKNOWN, _NOT_FOUND, _FAILED_PRECONDITION = 2, 5, 9
_STATES = get_model_status_pb2.ModelVersionStatus
_GONE = standin.State(_STATES.END)


class Manager(standin.Core):
    """Loads and unloads versions as a configuration and its folders say.

    Differs from TensorFlow Serving: a model without any version is an error at
    once, where the real server waits for one; a load is not tried again.

    Args:
        poll_seconds: Between two looks at the folders; 0 looks once.
        early_labels: Whether a new label may name a version that is not
            available, --allow_version_labels_for_unavailable_models.
    """

    def __init__(self, poll_seconds: float = 1.0, early_labels: bool = False):
        super().__init__({}, {})
        self._poll_seconds, self._early_labels = poll_seconds, early_labels
        self._configs: dict[str, Any] = {}  # `ModelConfig`, by name.
        self._followed: dict[str, set[int]] = {}  # Versions wanted last time.
        self._turn = threading.Lock()  # One change at a time.
        self._stopped = threading.Event()

    def start(self, config: Any) -> None:
        """Loads the first configuration, and follows the folders from then on.

        Raises:
            ValueError: If the configuration is wrong, or a model has no
                version that loads.
        """
        try:
            self.reload(config)
        except messages.StatusError as error:
            raise ValueError(error.message) from error
        if self._poll_seconds > 0:
            threading.Thread(target=self._keep_polling, daemon=True).start()

    def stop(self) -> None:
        """Stops following the folders."""
        self._stopped.set()

    def reload(self, config: Any) -> None:
        """Serves what a `ModelServerConfig` lists, and nothing else.

        Raises:
            messages.StatusError: If it is refused, when all stays as it was,
                or if a model that is new has no version that loads.
        """
        with self._turn:
            model_list.check(config, self._configs)
            models = config.model_config_list.config
            labels: dict[str, Mapping[str, int]] = {
                model.name: self._labels_of(model) for model in models
            }
            new = [m.name for m in models if m.name not in self._configs]
            self._configs = {model.name: model for model in models}
            with self._changed:
                self.labels = labels
            self._poll()
            self._check_served(new)

    def _labels_of(self, model: Any) -> dict[str, int]:
        labels = self.labels.get(model.name, {})
        for label, number in model.version_labels.items():
            moved = labels.get(label, number) != number
            if (
                moved or not self._early_labels
            ) and number not in self.models.get(model.name, {}):
                raise messages.StatusError(
                    _FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model "
                    f"{model.name}, which is not currently available for "
                    "inference",
                )
        return dict(model.version_labels)

    def _check_served(self, names: Iterable[str]) -> None:
        missing = [name for name in names if not self.models.get(name)]
        failed = [
            f"{{{{name: {name} version: {number}}} due to error: "
            f"{messages.code_name(state.code)}: {state.message}}}, "
            for name in missing
            for number, state in self.states(name).items()
            if state.code
        ]
        if failed:
            raise messages.StatusError(
                _UNKNOWN,
                f"{len(failed)} servable(s) did not become available: "
                f"{{{''.join(failed)}}}",
            )
        for name in missing:
            raise messages.StatusError(
                _NOT_FOUND,
                f"No versions of servable {name} found under base path "
                f"{self._configs[name].base_path}. Did you forget to name your "
                "leaf directory as a number (eg. '/1/')?",
            )

    def _keep_polling(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            with self._turn:
                self._poll()

    def _poll(self) -> None:
        for name in set(self._followed) - set(self._configs):
            self._follow(name, {})
            del self._followed[name]
        for name, model in self._configs.items():
            # Folders that cannot be read, for now, change nothing.
            with contextlib.suppress(OSError):
                self._follow(name, model_list.versions(model))

    def _follow(self, name: str, wanted: dict[int, pathlib.Path]) -> None:
        """Loads what is newly wanted, then unloads what is not any more."""
        served = set(self.models.get(name, {}))
        new = sorted(set(wanted) - self._followed.get(name, set()) - served)
        for number in new:
            self._await_unloading(name, number)
            self._set(name, number, _STATES.START)
        for number in new:
            self._load(name, number, wanted[number])
        self._followed[name] = set(wanted)
        served = set(self.models.get(name, {}))
        if served & set(wanted) or not wanted:
            for number in served - set(wanted):
                self._begin_unloading(name, number)

    def _load(self, name: str, number: int, path: pathlib.Path) -> None:
        self._set(name, number, _STATES.LOADING)
        try:
            servable = standin.Servable(path, number, self.metrics)
        except standin.LoadError as error:
            logging.warning("%s", error)
            self._set(name, number, _STATES.END, error.code, error.message)
            return
        with self._changed:
            self.models.setdefault(name, {})[number] = servable
            self._set(name, number, _STATES.AVAILABLE)

    def _begin_unloading(self, name: str, number: int) -> None:
        with self._changed:
            servable = self.models[name].pop(number)
            self._set(name, number, _STATES.UNLOADING)
        threading.Thread(
            target=self._unload, args=(name, servable), daemon=True
        ).start()

    def _unload(self, name: str, servable: standin.Servable) -> None:
        with self._changed:
            self._changed.wait_for(lambda: servable.users == 0)
        servable.close()
        self._set(name, servable.number, _STATES.END)

    def _await_unloading(self, name: str, number: int) -> None:
        """Waits until a former version of this number is gone."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self.states(name).get(number, _GONE).state
                    != _STATES.UNLOADING
                )
            )

    def _set(
        self,
        name: str,
        number: int,
        state: int,
        code: int = 0,
        message: str = "",
    ) -> None:
        with self._changed:
            self._states.setdefault(name, {})[number] = standin.State(
                state, code, message
            )
            self._changed.notify_all()
