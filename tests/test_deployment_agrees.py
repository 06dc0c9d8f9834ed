"""What serving/ deploys: files of one mind, and no more open than need be."""

import os
import pathlib
import re

import pytest
from deployed import COMPOSE
from deployed import CONTAINERS
from deployed import FLAGS
from deployed import FOLDER
from deployed import OBJECTS
from deployed import POD
from deployed import ROOT
from deployed import SERVICES
from deployed import TEMPLATE
from deployed import commands
from deployed import read_yaml
from deployed import variables

UNITS = {"Mi": 2**20, "Gi": 2**30, "M": 2**20, "G": 2**30}
PROXIES = {"compose": SERVICES["proxy"], "kubernetes": CONTAINERS["proxy"]}


def limits_of(name):
    """Returns CPUs and bytes that compose and Kubernetes allow."""
    service = SERVICES[name]["deploy"]["resources"]["limits"]
    container = CONTAINERS[name]["resources"]["limits"]
    return (
        {service["cpus"], container["cpu"]},
        {bytes_of(service["memory"]), bytes_of(container["memory"])},
    )


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)(\w+)", quantity).groups()
    return int(number) * UNITS[unit]


class TestOneMind:
    def test_flags_are_in_one_place(self):
        assert commands("ENTRYPOINT") == [("tensorflow_model_server",)]
        assert SERVICES["server"].keys().isdisjoint({"command", "entrypoint"})
        assert CONTAINERS["server"].keys().isdisjoint({"command", "args"})

    def test_threads_are_the_cpus_of_the_limit(self):
        cpus, _ = limits_of("server")
        assert cpus == {
            FLAGS["tensorflow_intra_op_parallelism"],
            FLAGS["tensorflow_inter_op_parallelism"],
        }

    @pytest.mark.parametrize("name", ["server", "proxy"])
    def test_limits_are_the_same(self, name):
        assert [len(each) for each in limits_of(name)] == [1, 1]

    def test_images_are_pinned_and_the_same(self):
        for name, container in CONTAINERS.items():
            assert container["image"] == SERVICES[name]["image"]
        images = [service["image"] for service in SERVICES.values()]
        for image in [*images, commands("FROM")[0][0]]:
            assert re.search(r":v?\d[\w.-]*$", image)
        (renamed,) = read_yaml("kustomization.yaml")["images"]
        assert CONTAINERS["server"]["image"].split(":")[0] == renamed["name"]

    def test_files_lie_where_flags_look(self):
        *sources, folder = next(x for x in commands("COPY") if len(x) > 2)
        copied = {
            folder + pathlib.Path(source).name: ROOT / source
            for source in sources
        }
        assert all(path.is_file() for path in copied.values())
        wanted = {v for k, v in FLAGS.items() if k.endswith("_file")}
        assert wanted <= set(copied)
        mounted = {
            each["target"]: pathlib.Path(
                os.path.normpath(FOLDER / each["source"])
            )
            for each in SERVICES["server"]["volumes"]
        }
        assert mounted.pop("/models") == ROOT / "models"
        assert mounted.items() <= copied.items()

    @pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
    def test_the_proxy_finds_the_server(self, proxy):
        values = variables(proxy)
        assert values["SERVER_GRPC"] == FLAGS["port"]
        assert values["SERVER_REST"] == FLAGS["rest_api_port"]
        assert values["SERVER"] in {*SERVICES, "127.0.0.1"}

    def test_the_proxy_has_the_page(self):
        mounted = {
            x["target"]: x["source"] for x in PROXIES["compose"]["volumes"]
        }
        assert mounted[variables(PROXIES["compose"])["WEB"]] == "./web"
        made = read_yaml("kustomization.yaml")["configMapGenerator"]
        files = {each["name"]: set(each["files"]) for each in made}
        page = {f"web/{path.name}" for path in (FOLDER / "web").iterdir()}
        assert files["percgen-page"] == page
        (volume,) = (
            each["name"]
            for each in POD["volumes"]
            if each.get("configMap") == {"name": "percgen-page"}
        )
        path = variables(PROXIES["kubernetes"])["WEB"]
        mounts = {x["name"]: x for x in CONTAINERS["proxy"]["volumeMounts"]}
        assert mounts[volume]["mountPath"] == path

    def test_prometheus_reads_the_proxy(self):
        (job,) = read_yaml("prometheus.yml")["scrape_configs"]
        port = variables(SERVICES["proxy"])["METRICS_PORT"]
        assert job["static_configs"] == [{"targets": [f"proxy:{port}"]}]
        location = f"location = {job['metrics_path']} {{"
        assert location in TEMPLATE.read_text()
        mounted = {x["source"] for x in SERVICES["prometheus"]["volumes"]}
        rules = read_yaml("prometheus.yml")["rule_files"]
        assert {f"./{x}" for x in ["prometheus.yml", *rules]} <= mounted

    def test_ports_and_names_in_kubernetes(self):
        values = variables(CONTAINERS["proxy"])
        ports = {
            each["name"]: str(each["containerPort"])
            for container in CONTAINERS.values()
            for each in container["ports"]
        }
        assert ports == {
            "grpc-inside": FLAGS["port"],
            "rest-inside": FLAGS["rest_api_port"],
            "grpc": values["PROXY_PORT"],
            "metrics": values["METRICS_PORT"],
        }
        labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
        for kind, key in [
            ("Deployment", "selector"),
            ("PodDisruptionBudget", "selector"),
            ("NetworkPolicy", "podSelector"),
        ]:
            assert OBJECTS[kind]["spec"][key]["matchLabels"] == labels
        assert OBJECTS["Service"]["spec"]["selector"] == labels
        target = OBJECTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
        assert target["name"] == OBJECTS["Deployment"]["metadata"]["name"]

    def test_health_is_ready_sh(self):
        (sources, target) = commands("COPY")[0]
        assert (ROOT / sources).is_file()
        (health,) = commands("HEALTHCHECK")
        assert target in health[-1]
        for probe in ("startupProbe", "readinessProbe"):
            command = CONTAINERS["server"][probe]["exec"]["command"]
            assert command == ["/bin/bash", target]


class TestNothingOpen:
    def test_compose_publishes_the_proxy_alone(self):
        published = {
            name: service["ports"]
            for name, service in SERVICES.items()
            if "ports" in service
        }
        port = variables(SERVICES["proxy"])["PROXY_PORT"]
        assert published == {
            "proxy": [f"{port}:{port}"],
            "prometheus": ["127.0.0.1:9090:9090"],  # This machine alone.
        }
        assert SERVICES["server"]["networks"] == ["inside"]
        assert COMPOSE["networks"]["inside"]["internal"]

    def test_the_image_names_the_grpc_port_alone(self):
        assert commands("EXPOSE") == [(FLAGS["port"],)]

    def test_other_pods_reach_the_proxy_alone(self):
        values = variables(CONTAINERS["proxy"])
        policy = OBJECTS["NetworkPolicy"]["spec"]
        everyone, prometheus = policy["ingress"]
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
        assert policy["egress"] == []
        assert [str(x["port"]) for x in everyone["ports"]] == [
            values["PROXY_PORT"]
        ]
        assert prometheus["from"]
        assert [str(x["port"]) for x in prometheus["ports"]] == [
            values["METRICS_PORT"]
        ]
        (port,) = OBJECTS["Service"]["spec"]["ports"]
        assert port["targetPort"] == "grpc"

    def test_nobody_is_root_nor_writes(self):
        assert commands("USER")[-1] == ("65534:65534",)
        assert POD["securityContext"]["runAsNonRoot"]
        for container in CONTAINERS.values():
            context = container["securityContext"]
            assert context["runAsUser"] > 0
            assert context["readOnlyRootFilesystem"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
        for service in SERVICES.values():
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]

    def test_the_profiler_is_off(self):
        assert FLAGS["enable_profiler"] == "false"
