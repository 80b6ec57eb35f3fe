"""Whatever a team does between scans: following incremental scans ends where a full scan begins."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from adapters import Adapter, Key, Listing, NotFoundError, Record, Watermark
from adapters.emulators.sagemaker import Emulator
from adapters.sagemaker import SageMakerAdapter
from tests.adapters.sagemaker import aws
from tests.adapters.sagemaker.aws import inference, package, scan
from tests.soak import explore, soak

ACTIONS = ("register", "compose", "approve", "tag", "delete", "delete group", "solo", "deploy", "undeploy")
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5)), max_size=6)


class Follower:
    """Keeps a copy of what scans gave, as a catalogue does: absence is believed when `get` proves it."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter, self.copy = adapter, dict[Key, Record]()
        self.mark: Watermark | None = None

    def follow(self, limit: int) -> None:
        found = scan(self.adapter, self.mark, limit)
        listed = (
            set(found.listed) if self.mark else {Listing("model"), Listing("version"), Listing("endpoint")}
        )
        candidates = {key for key in self.copy if Listing(key.kind) in listed} - found.records.keys()
        self.copy.update(found.records)
        for key in found.deleted | {key for key in candidates if self._absent(key)}:
            self.copy.pop(key, None)
        self.mark = found.watermark

    def _absent(self, key: Key) -> bool:
        try:
            self.adapter.get(key)
        except NotFoundError:
            return True
        return False


@soak(sample=8, full=500)
def test_incremental_scans_converge_to_a_full_one(cases: int, seed: int) -> list[str]:
    @given(
        rounds=st.lists(STEPS, min_size=1, max_size=3),
        limit=st.sampled_from([1, 2, 1000]),
        searches=st.booleans(),
        restarts=st.sets(st.integers(0, 2)),
    )
    @example(
        rounds=[[("register", 0), ("deploy", 0)], [("deploy", 1)]], limit=1, searches=False, restarts=set()
    )
    def converges(
        rounds: list[list[tuple[str, int]]], limit: int, searches: bool, restarts: set[int]
    ) -> None:
        followed(rounds, limit, searches, restarts)

    return explore(converges, cases, seed)


def followed(rounds: list[list[tuple[str, int]]], limit: int, searches: bool, restarts: set[int]) -> None:
    """A team does all that, and whoever follows has it in the end."""
    with Emulator() as emulator:
        emulator.faults.deny = set() if searches else {"Search"}
        boto = aws.client(emulator.url)
        made = [SageMakerAdapter(aws.config(emulator.url))]
        follower = Follower(made[0])
        for number, steps in enumerate(rounds):
            for action, which in steps:
                _do(boto, emulator, action, which)
            if number in restarts:
                made.append(SageMakerAdapter(aws.config(emulator.url)))
                follower.adapter = made[-1]
            follower.follow(limit)
        made.append(SageMakerAdapter(aws.config(emulator.url)))
        assert follower.copy == scan(made[-1]).records
        assert emulator.faults.breaches == []
        for adapter in made:
            adapter.close()
        boto.close()


def _do(boto: Any, emulator: Emulator, action: str, which: int) -> None:
    packages = sorted(emulator.account.packages)
    group, arn = f"group-{which % 3}", packages[which % len(packages)] if packages else None
    endpoint = f"endpoint-{which % 2}"
    deployed = emulator.account.arn("endpoint", endpoint) in emulator.account.endpoints
    if action == "register":
        package(boto, group, f"s3://m/{which}")
    elif action == "compose":
        both = inference(f"s3://m/{which}", f"s3://m/{(which + 1) % 6}")
        package(boto, group, InferenceSpecification=both)
    elif action == "solo" and emulator.account.arn("model-package", f"solo-{which}") not in packages:
        solo = inference(f"s3://m/{which}")
        boto.create_model_package(ModelPackageName=f"solo-{which}", InferenceSpecification=solo)
    elif action == "approve" and arn:
        status = ("Approved", "Rejected", "PendingManualApproval")[which % 3]
        boto.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)
    elif action == "tag" and arn and "Search" not in emulator.faults.deny:
        boto.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"n": str(which)})
    elif action == "delete" and arn:
        boto.delete_model_package(ModelPackageName=arn)
    elif action == "delete group":
        _delete_group(boto, emulator, group)
    elif action == "deploy" and arn and not deployed:
        for store in (emulator.account.models, emulator.account.configs):  # what an earlier one left behind
            for left in [one for one in store if endpoint in one]:
                del store[left]
        aws.deploy(boto, endpoint, only=(arn, 1.0))
    elif action == "undeploy" and deployed:
        boto.delete_endpoint(EndpointName=endpoint)


def _delete_group(boto: Any, emulator: Emulator, group: str) -> None:
    if emulator.account.arn("model-package-group", group) not in emulator.account.groups:
        return
    for arn in [arn for arn in emulator.account.packages if f"/{group}/" in arn]:
        boto.delete_model_package(ModelPackageName=arn)
    boto.delete_model_package_group(ModelPackageGroupName=group)
