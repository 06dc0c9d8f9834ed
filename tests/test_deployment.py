"""What serving/ deploys: each file by its own parser."""

import pathlib
import shutil
import sys

import deployed
import kubernetes_validate
import pytest
import yaml
from deployed import FLAGS
from deployed import FOLDER
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format
from google.protobuf import wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving import configs

KUBERNETES = "1.34"


def parse(name, message):
    return text_format.Parse((FOLDER / name).read_text(), message)


def test_models():
    config = parse("models.config", model_server_config_pb2.ModelServerConfig())
    for model in config.model_config_list.config:
        versions = model.model_version_policy.specific.versions
        labels = dict(model.version_labels)
        assert set(labels) == {"stable", "canary"}
        assert sorted(labels.values()) == sorted(versions)


def test_batching():
    batching = parse("batching.config", batching_parameters())
    threads = FLAGS["tensorflow_intra_op_parallelism"]
    assert batching.num_batch_threads.value == int(threads)
    assert not any("batching" in name for name in FLAGS), "it is off"


def test_monitoring():
    monitoring = configs.monitoring(FOLDER / "monitoring.config")
    assert monitoring.prometheus_config.enable
    behind = (
        f"proxy_pass http://$rest_server{monitoring.prometheus_config.path};"
    )
    assert behind in deployed.TEMPLATE.read_text()


def batching_parameters():
    """Returns the fields that we use of session_bundle_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    names = (
        "max_batch_size",
        "batch_timeout_micros",
        "max_enqueued_batches",
        "num_batch_threads",
    )
    for number, name in enumerate(names, 1):
        message.field.add(
            name=name,
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
            type_name=".google.protobuf.Int64Value",
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    found = pool.FindMessageTypeByName(message.name)
    return message_factory.GetMessageClass(found)()


def test_prometheus():
    deployed.run("promtool", "check", "config", FOLDER / "prometheus.yml")


def test_alerts_fire_when_they_should(tmp_path):
    cases = pathlib.Path(__file__).with_name("alerts_cases.yml")
    shutil.copy(cases, tmp_path)
    shutil.copy(FOLDER / "alerts.yml", tmp_path)
    deployed.run("promtool", "test", "rules", tmp_path / cases.name)


def test_every_alert_is_seen_to_fire():
    (group,) = deployed.read_yaml("alerts.yml")["groups"]
    cases = pathlib.Path(__file__).with_name("alerts_cases.yml")
    fired = {
        case["alertname"]
        for test in yaml.safe_load(cases.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert fired == {x["alert"] for x in group["rules"] if "alert" in x}


def test_compose():
    line = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    deployed.run(*line, "vendor.compose-spec", FOLDER / "compose.yaml")


@pytest.mark.parametrize(
    "path", deployed.MANIFESTS, ids=[path.name for path in deployed.MANIFESTS]
)
def test_kubernetes(path):
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_kustomization(tmp_path):
    # It takes no link that leads out of the folder, as Bazel makes them.
    copy = shutil.copytree(FOLDER, tmp_path / "serving")
    built = deployed.run("kubectl", "kustomize", copy)
    documents = list(yaml.safe_load_all(built))
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    kinds = {document["kind"] for document in documents}
    assert kinds == {*deployed.OBJECTS, "ConfigMap"}


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_nginx(where, tmp_path):
    deployed.run("bash", FOLDER / "secrets.sh", tmp_path)
    proxies = {
        "compose": deployed.SERVICES["proxy"],
        "kubernetes": deployed.CONTAINERS["proxy"],
    }
    filled = deployed.fill(
        {
            **deployed.variables(proxies[where]),
            "SECRETS": tmp_path,
            "NGINX_LOCAL_RESOLVERS": "127.0.0.11",
        }
    )
    assert not deployed.UNFILLED.search(filled)
    config = tmp_path / "nginx.conf"
    config.write_text(filled)
    line = ["nginx", "-t", "-p", tmp_path, "-c", config, "-e", "stderr"]
    deployed.run(*line)
