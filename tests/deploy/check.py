"""Holds the templates against their promises, in every variant, and shows that each can fail."""

import copy
import pathlib
import sys

import mutations
import promises
import review
from statements import REVIEWED, wildcards
from template import Stack, load

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
SETS = {
    "template": (promises.TEMPLATE, promises.TEMPLATE_VARIANTS, mutations.TEMPLATE, promises.REFUSED_PARAMETERS),
    "gateway": (promises.GATEWAY, promises.GATEWAY_VARIANTS, mutations.GATEWAY, promises.REFUSED_GATEWAY_PARAMETERS),
    "review": (review.PROMISES, review.VARIANTS, review.MUTATIONS, review.REFUSED),
}
# What explains itself where the stack is looked at.
UNTOLD = dict.fromkeys(("GatewayName", "TargetName", "GatewayUrl", "WorkspaceBucket", "FileSystemId", "LogGroupName", "OrchestratorLogGroup"), True)


def report(what, faults):
    """Prints a PASS or FAIL line, with what is wrong."""
    faults = list(faults)
    print(f"{'FAIL' if faults else 'PASS'} {what}")
    for fault in faults:
        print(f"     {fault}")
    return not faults


def found(promise, template, variants):
    """What a promise finds over all variants."""
    for name, parameters in variants.items():
        for fault in promise(Stack(template, parameters)):
            yield f"{name}: {fault}"


def words(promise):
    return promise.__name__.replace("_", " ")


def told(template, readme):
    """Which parameters, outputs and alarms the page for operators leaves out."""
    for kind in ("Parameters", "Outputs"):
        for one in template.get(kind, {}):
            if f"`{one}`" not in readme and f"{one}=" not in readme and not UNTOLD.get(one):
                yield f"{kind}: {one}"
    for one in template["Resources"].values():
        if one["Type"] == "AWS::CloudWatch::Alarm":
            metric = one["Properties"].get("MetricName", "ClientConnections")
            if not any(metric in line for line in readme.splitlines() if line.startswith("| ")):
                yield f"alarm: {metric}"


def main():
    good = True
    readme = (DEPLOY / "README.md").read_text()
    seen = set()
    for name, (kept, variants, wrong, refused) in SETS.items():
        template = load(DEPLOY / f"{name}.yaml")
        good &= report(f"{name}.yaml: deploy/README.md tells of what can be set and what goes off", told(template, readme))
        for promise in kept:
            good &= report(f"{name}.yaml: {words(promise)}", found(promise, template, variants))
        for variant, parameters in variants.items():
            stack = Stack(template, parameters)
            seen |= set(wildcards(stack))
            good &= report(f"{name}.yaml: takes the parameters of `{variant}`", stack.refusals)
        for what, parameters in refused.items():
            refusals = Stack(template, parameters).refusals
            good &= report(f"{name}.yaml: refuses {what}", [] if refusals else ["it was taken"])
        for promise, what, mutate in wrong:
            changed = copy.deepcopy(template)
            mutate(changed)
            faults = list(found(promise, changed, variants))
            good &= report(f"{name}.yaml: noticed: {words(promise)}: {what}", [] if faults else ["it was not noticed"])
        for promise in kept:
            if not any(one[0] is promise for one in wrong):
                good &= report(f"{name}.yaml: {words(promise)}: can fail", ["no mutation shows it"])
        more = copy.deepcopy(template)
        more["Parameters"]["Unheard"] = {"Type": "String", "Default": ""}
        good &= report(f"{name}.yaml: noticed: a parameter that the README does not tell of", [] if list(told(more, readme)) else ["it was not noticed"])
        for rule in mutations.RULES[name]:
            changed = copy.deepcopy(template)
            del changed["Rules"][rule]
            missed = [what for what, parameters in refused.items() if not Stack(changed, parameters).refusals]
            good &= report(f"{name}.yaml: noticed: the rule {rule} is gone", [] if missed else ["it was not noticed"])
    good &= report("every reviewed wildcard is in use", sorted(f"{one} is not" for one in set(REVIEWED) - seen))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
