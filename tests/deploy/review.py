"""What deploy/review.yaml promises, in the way of promises.py, and the mutations that break it."""

import json
import re

from metrics import exists
from mutations import R, add, allow, drop, make, prop, put, statement
from promises import (
    DECISION_KEY, ROOT, SECRET, VERSION, WAYS_OUT, _alarm_metrics, _difference, decisions_are_signed_as_told,
    no_wildcard_that_nobody_reviewed,
)
from statements import ON_EVERYTHING, listed, statements

AGENTS = {
    "Security": "security-reviewer", "Style": "style-reviewer", "Maintainability": "maintainability-reviewer",
    "Infrastructure": "infrastructure-reviewer", "Remediation": "remediation",
}
FUNCTIONS = ["Orchestrator", *AGENTS]
MODEL = "arn:aws:bedrock:eu-west-1::foundation-model/vendor.model-v1:0"
PROFILE = "arn:aws:bedrock:eu-west-1:111122223333:inference-profile/eu.vendor.model-v1:0"
FILE_SYSTEM = "arn:aws:s3files:eu-west-1:111122223333:file-system/fs-0123456789abcdef0"
ACCESS_POINT = f"{FILE_SYSTEM}/access-point/fsap-0123456789abcdef0"
BASE = {
    "VpcId": "vpc-0123", "SubnetA": "subnet-0a", "SubnetB": "subnet-0b", "MountSecurityGroupId": "sg-0a",
    "FileSystemArn": FILE_SYSTEM, "AccessPointArn": ACCESS_POINT, "WorkspaceObjects": "s3://bucket/workspace/agents/",
    "Model": "vendor.model-v1:0", "ModelArns": MODEL,
}
VARIANTS = {
    "as it is": BASE,
    "an inference profile over two regions": BASE | {
        "Model": "eu.vendor.model-v1:0", "InferenceProfileArn": PROFILE, "ModelArns": f"{MODEL},{MODEL.replace('eu-west-1', 'eu-north-1')}",
    },
    "endpoints that are there": BASE | {"BedrockEndpointSecurityGroupId": "sg-0b", "LambdaEndpointSecurityGroupId": "sg-0c"},
    "signed decisions": BASE | {"DecisionKeySecretArn": SECRET, "DecisionKeyVersion": VERSION},
    "bounded, notified, arm64": BASE | {
        "MaxUsd": "2.5", "PriceInput": "0.003", "PriceOutput": "0.015", "Architecture": "arm64",
        "AlarmTopicArn": "arn:aws:sns:eu-west-1:111122223333:alarms",
    },
}
REFUSED = {
    "a bound without prices": BASE | {"MaxUsd": "2"},
    "a version of no secret": BASE | {"DecisionKeyVersion": VERSION},
    "one price": BASE | {"PriceInput": "0.003"},
    "the other price": BASE | {"PriceOutput": "0.015"},
}

MOUNT = {"s3files:ClientMount", "s3files:ClientWrite"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
CHECKPOINTS = {"lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState"}
ONLY_THROUGH_THE_ACCESS_POINT = {"ArnEquals": {"s3files:AccessPointArn": ACCESS_POINT}}


def _models(stack):
    return stack.parameters["ModelArns"].split(",")


def each_function_may_do_exactly_what_it_needs(stack):
    for name in AGENTS:
        yield from _difference(stack, f"{name}Role", MOUNT | LOG | ON_EVERYTHING | {"bedrock:InvokeModel"})
    yield from _difference(stack, "OrchestratorRole", MOUNT | LOG | ON_EVERYTHING | {"lambda:InvokeFunction"})
    yield from _difference(stack, "OrchestratorCheckpoints", CHECKPOINTS)
    roles = stack.of_type("AWS::IAM::Role")
    if set(roles) != {f"{name}Role" for name in FUNCTIONS}:
        yield f"the roles are {sorted(roles)}"
    for name, role in roles.items():
        if role["Properties"].get("ManagedPolicyArns"):
            yield f"{name} has managed policies, which nobody here has read"
    for name in FUNCTIONS:
        if stack.properties(name).get("Role") != f"<{name}Role.Arn>":
            yield f"{name} runs as {stack.properties(name).get('Role')}"


def lambda_alone_takes_the_roles(stack):
    for name, one in statements(stack, trust=True):
        if one.get("Principal") != {"Service": "lambda.amazonaws.com"} or listed(one["Action"]) != ["sts:AssumeRole"]:
            yield f"{name} may be taken by {one.get('Principal')}"


def no_code_can_use_the_vpc_rights(stack):
    for function in FUNCTIONS:
        name = f"{function}NoInterfacesFromCode"
        good = any(
            owner == name and one["Effect"] == "Deny" and ON_EVERYTHING <= set(listed(one["Action"]))
            and one.get("Condition") == {"ArnEquals": {"lambda:SourceFunctionArn": f"<{function}.Arn>"}}
            for owner, one in statements(stack)
        )
        if not good or stack.properties(name).get("RoleName") != f"<{function}Role>":
            yield f"no denial of the VPC rights to the code of {function}"


def the_mount_is_reached_through_the_access_point(stack):
    for name, one in statements(stack):
        used = {action for action in listed(one["Action"]) if action.startswith("s3files:")}
        if used and (used != MOUNT or one.get("Resource") != FILE_SYSTEM or one.get("Condition") != ONLY_THROUGH_THE_ACCESS_POINT):
            yield f"{name}: {sorted(used)} on {one.get('Resource')} under {one.get('Condition')}"
    for name in FUNCTIONS:
        mounts = stack.properties(name).get("FileSystemConfigs")
        if mounts != [{"Arn": ACCESS_POINT, "LocalMountPath": "/mnt/workspace", "S3FilesConfig": {"DirectS3Read": "DISABLED"}}]:
            yield f"{name} mounts {mounts}"


def agents_call_their_model_and_no_other(stack):
    profile = stack.parameters["InferenceProfileArn"]
    expected = [{"Resource": _models(stack)} | ({"Condition": {"ArnEquals": {"bedrock:InferenceProfileArn": profile}}} if profile else {})]
    if profile:
        expected.append({"Resource": profile})
    for name in AGENTS:
        found = [
            {key: one[key] for key in ("Resource", "Condition") if key in one}
            for owner, one in statements(stack)
            if owner == f"{name}Role" and any(action.startswith("bedrock") for action in listed(one["Action"]))
        ]
        if found != expected:
            yield f"{name} may call {found}"
        if stack.properties(name)["Environment"]["Variables"].get("BEDROCK_AGENT_MODEL") != stack.parameters["Model"]:
            yield f"{name} calls another model"


def the_orchestrator_asks_agents_and_writes_its_own_checkpoints(stack):
    for name, one in statements(stack):
        if "lambda:InvokeFunction" in listed(one["Action"]) and name == "OrchestratorRole":
            if sorted(listed(one["Resource"])) != sorted(f"<{agent}.Arn>" for agent in AGENTS):
                yield f"{name} may invoke {one['Resource']}"
        if CHECKPOINTS & set(listed(one["Action"])) and one["Resource"] != "<Orchestrator.Arn>:*":
            yield f"{name}: checkpoints of {one['Resource']}"
    properties = stack.properties("Orchestrator")
    workers = json.loads(properties["Environment"]["Variables"]["CODE_REVIEW_WORKERS"])
    if workers != {role: f"<{name}.Arn>" for name, role in AGENTS.items()}:
        yield f"the workers are {workers}"
    if not properties.get("DurableConfig") or properties.get("AutoPublishAlias") != "live":
        yield "the orchestrator is not durable, or its reviews go on with another version than they began with"


def each_agent_is_one_role(stack):
    """As in the team that the orchestrator asks, whose rights are in the policy that is packaged."""
    team = (ROOT / "examples/code_review/src/agents.rs").read_text()
    policy = (ROOT / "examples/code_review/policy.toml").read_text()
    asked = set(re.findall(r'\(?"([a-z-]+)",\s*Phase::', team))
    if asked != set(AGENTS.values()):
        yield f"the team is {sorted(asked)}"
    for name, role in AGENTS.items():
        if stack.properties(name)["Environment"]["Variables"].get("BEDROCK_AGENT_ROLE") != role:
            yield f"{name} takes any role, or another's"
        if f'"bedrock-worker:{role}"' not in policy:
            yield f"{role} has no rights"


def people_start_look_and_wake(stack):
    expected = [
        ({"lambda:InvokeFunction"}, "<Orchestrator.Arn>:live"),
        (
            {"lambda:GetDurableExecution", "lambda:GetDurableExecutionHistory", "lambda:SendDurableExecutionCallbackSuccess",
             "lambda:StopDurableExecution"},
            "<Orchestrator.Arn>:*",
        ),
        ({"lambda:ListDurableExecutionsByFunction"}, ["<Orchestrator.Arn>", "<Orchestrator.Arn>:*"]),
    ]
    found = [(set(listed(one["Action"])), one["Resource"]) for name, one in statements(stack) if name == "PeoplePolicy"]
    if found != expected:
        yield f"people may {found}"
    if stack.of_type("AWS::Lambda::Permission") or stack.of_type("AWS::Lambda::Url"):
        yield "others may call the functions"


def nothing_is_reached_but_the_mount_the_models_and_checkpoints(stack):
    nfs = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    nothing = [{"IpProtocol": "-1", "CidrIp": "127.0.0.1/32"}]
    bedrock = stack.parameters["BedrockEndpointSecurityGroupId"] or "<BedrockEndpointSecurityGroup.GroupId>"
    api = stack.parameters["LambdaEndpointSecurityGroupId"] or "<LambdaEndpointSecurityGroup.GroupId>"
    mount = nfs | {"DestinationSecurityGroupId": "sg-0a"}
    egress = {
        "WorkerSecurityGroup": [mount, https | {"DestinationSecurityGroupId": bedrock}],
        "OrchestratorSecurityGroup": [mount, https | {"DestinationSecurityGroupId": api}],
        "BedrockEndpointSecurityGroup": nothing, "LambdaEndpointSecurityGroup": nothing,
    }

    def bare(rule):
        return {name: value for name, value in rule.items() if name != "Description"}

    for name, one in stack.of_type("AWS::EC2::SecurityGroup").items():
        properties = one["Properties"]
        if properties.get("SecurityGroupIngress") or [bare(rule) for rule in properties.get("SecurityGroupEgress", [])] != egress.get(name):
            yield f"{name} lets out {properties.get('SecurityGroupEgress', 'everything')}"
    ingress = [bare(one["Properties"]) for one in stack.of_type("AWS::EC2::SecurityGroupIngress").values()]
    expected = [
        nfs | {"GroupId": "sg-0a", "SourceSecurityGroupId": "<WorkerSecurityGroup.GroupId>"},
        nfs | {"GroupId": "sg-0a", "SourceSecurityGroupId": "<OrchestratorSecurityGroup.GroupId>"},
        https | {"GroupId": bedrock, "SourceSecurityGroupId": "<WorkerSecurityGroup.GroupId>"},
        https | {"GroupId": api, "SourceSecurityGroupId": "<OrchestratorSecurityGroup.GroupId>"},
    ]
    if ingress != expected:
        yield f"what comes in is {ingress}"
    for name in FUNCTIONS:
        groups = ["<OrchestratorSecurityGroup.GroupId>" if name == "Orchestrator" else "<WorkerSecurityGroup.GroupId>"]
        if stack.properties(name).get("VpcConfig") != {"SubnetIds": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": groups}:
            yield f"{name} is in {stack.properties(name).get('VpcConfig')}"
    for name, one in stack.resources.items():
        if one["Type"] in WAYS_OUT or one["Type"] == "AWS::EC2::SecurityGroupEgress":
            yield f"{name} is a {one['Type']}"


def the_endpoints_serve_this_review_alone(stack):
    models = [*([stack.parameters["InferenceProfileArn"]] if stack.parameters["InferenceProfileArn"] else []), *_models(stack)]
    expected = {}
    if not stack.parameters["BedrockEndpointSecurityGroupId"]:
        expected["BedrockEndpoint"] = ("bedrock-runtime", {"bedrock:InvokeModel"}, models, [f"<{name}Role.Arn>" for name in AGENTS])
    if not stack.parameters["LambdaEndpointSecurityGroupId"]:
        expected["LambdaEndpoint"] = ("lambda", CHECKPOINTS, ["<Orchestrator.Arn>:*"], ["<OrchestratorRole.Arn>"])
    endpoints = stack.of_type("AWS::EC2::VPCEndpoint")
    if set(endpoints) != set(expected):
        yield f"the endpoints are {sorted(endpoints)}"
    for name, (service, actions, resources, principals) in expected.items():
        properties = stack.properties(name)
        if properties.get("ServiceName") != f"com.amazonaws.eu-west-1.{service}" or properties.get("VpcEndpointType") != "Interface":
            yield f"{name} is to {properties.get('ServiceName')}"
        if not properties.get("PrivateDnsEnabled") or properties.get("SubnetIds") != ["subnet-0a", "subnet-0b"]:
            yield f"{name} is not found by its service's name in both subnets"
        if properties.get("SecurityGroupIds") != [f"<{name}SecurityGroup.GroupId>"]:
            yield f"{name} is open to {properties.get('SecurityGroupIds')}"
        found = [
            (set(listed(one["Action"])), listed(one["Resource"]), listed(one.get("Condition", {}).get("ArnEquals", {}).get("aws:PrincipalArn")))
            for owner, one in statements(stack) if owner == name
        ]
        if found != [(actions, resources, principals)]:
            yield f"{name} serves {found}"


def each_function_logs_to_its_own_group(stack):
    for name in FUNCTIONS:
        group = stack.resources.get(f"{name}LogGroup", {"Properties": {}})
        if not group["Properties"].get("RetentionInDays") or group.get("DeletionPolicy") != "Retain":
            yield f"the logs of {name} are kept forever, or go with the stack"
        if stack.properties(name).get("LoggingConfig") != {"LogGroup": f"<{name}LogGroup>"}:
            yield f"{name} logs elsewhere"
        for owner, one in statements(stack):
            if owner == f"{name}Role" and LOG & set(listed(one["Action"])) and one["Resource"] != f"<{name}LogGroup.Arn>":
                yield f"{owner} may write other logs"


def alarms_tell_of_reviews_and_functions(stack):
    topic = stack.parameters["AlarmTopicArn"]
    seen = set()
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        for namespace, metric, dimensions in _alarm_metrics(properties):
            if [one["Name"] for one in dimensions] != ["FunctionName"] or not exists(namespace, "FunctionName", metric):
                yield f"{name}: there is no {namespace} {metric} by {dimensions}"
            else:
                seen.add((metric, dimensions[0]["Value"]))
        for one in properties.get("Metrics", []):
            if "Expression" in one:
                summed = set(re.findall(r"FILL\((\w+), 0\)", one["Expression"]))
                if summed != {other["Id"] for other in properties["Metrics"] if "MetricStat" in other}:
                    yield f"{name} leaves some out of {one['Expression']}"
        if properties.get("AlarmActions", []) != ([topic] if topic else []):
            yield f"{name} notifies {properties.get('AlarmActions')}"
        if properties.get("TreatMissingData") != "notBreaching" or properties.get("Threshold") != 0 or properties["ComparisonOperator"] != "GreaterThanThreshold":
            yield f"{name} never goes off, or always"
    wanted = {(metric, f"<{name}>") for metric in ("Errors", "Throttles") for name in FUNCTIONS}
    wanted |= {(metric, "<Orchestrator>") for metric in ("DurableExecutionFailed", "DurableExecutionTimedOut")}
    if seen != wanted:
        yield f"watched beside what is wanted: {sorted(seen ^ wanted)}"


def the_functions_are_what_the_packages_are(stack):
    parameters = stack.parameters
    sources = "".join(
        (ROOT / file).read_text()
        for file in (
            "crates/bedrock-agent/src/config.rs",
            "crates/bedrock-agent/src/config/limits.rs",
            "examples/code_review/src/bin/code-review-function.rs",
        )
    )
    for name in FUNCTIONS:
        properties = stack.properties(name)
        code = properties.get("CodeUri" if name == "Orchestrator" else "Code")
        if code != f"build/{'code-review-function' if name == 'Orchestrator' else 'bedrock-agent'}.zip":
            yield f"the code of {name} is {code}"
        if (properties.get("Runtime"), properties.get("Handler"), properties.get("Architectures")) != ("provided.al2023", "bootstrap", [parameters["Architecture"]]):
            yield f"{name} runs elsewhere"
        variables = properties["Environment"]["Variables"]
        if (variables.get("MCP_WORKSPACE_ROOT"), variables.get("MCP_WORKSPACE_POLICY")) != ("/mnt/workspace", "/var/task/policy.toml"):
            yield f"{name} has no policy, or looks elsewhere than at the mount"
        if name == "Orchestrator":
            # Agents decide nothing, so they get no key.
            yield from decisions_are_signed_as_told(variables, parameters, "examples/code_review/policy.toml")
            variables = {other: value for other, value in variables.items() if other != DECISION_KEY}
        for variable in variables:
            if f'"{variable}"' not in sources:
                yield f"{name}: nothing reads {variable}"
        bounds = {"BEDROCK_AGENT_MAX_USD": "MaxUsd", "BEDROCK_AGENT_PRICE_INPUT": "PriceInput", "BEDROCK_AGENT_PRICE_OUTPUT": "PriceOutput"}
        if name != "Orchestrator" and any(variables.get(variable) != (parameters[one] or None) for variable, one in bounds.items()):
            yield f"{name} is not bounded as told"


PROMISES = [
    no_wildcard_that_nobody_reviewed,
    each_function_may_do_exactly_what_it_needs,
    lambda_alone_takes_the_roles,
    no_code_can_use_the_vpc_rights,
    the_mount_is_reached_through_the_access_point,
    agents_call_their_model_and_no_other,
    the_orchestrator_asks_agents_and_writes_its_own_checkpoints,
    each_agent_is_one_role,
    people_start_look_and_wake,
    nothing_is_reached_but_the_mount_the_models_and_checkpoints,
    the_endpoints_serve_this_review_alone,
    each_function_logs_to_its_own_group,
    alarms_tell_of_reviews_and_functions,
    the_functions_are_what_the_packages_are,
]

ANYWHERE = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
MUTATIONS = [
    (no_wildcard_that_nobody_reviewed, "every model", statement("StyleRole", 2, "Resource", "arn:aws:bedrock:*::foundation-model/*")),
    (no_wildcard_that_nobody_reviewed, "every function", statement("OrchestratorRole", 2, "Resource", "*")),
    (each_function_may_do_exactly_what_it_needs, "models for the orchestrator", allow("OrchestratorRole", "bedrock:InvokeModel", MODEL)),
    (each_function_may_do_exactly_what_it_needs, "an agent that wakes reviews",
     allow("StyleRole", "lambda:SendDurableExecutionCallbackSuccess", "arn:x")),
    (each_function_may_do_exactly_what_it_needs, "an agent that invokes another", allow("RemediationRole", "lambda:InvokeFunction", "arn:x")),
    (each_function_may_do_exactly_what_it_needs, "streamed answers", statement("StyleRole", 2, "Action", ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"])),
    (each_function_may_do_exactly_what_it_needs, "a managed policy",
     prop("SecurityRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonBedrockFullAccess"])),
    (each_function_may_do_exactly_what_it_needs, "one role for two", prop("Style", "Role", {"Fn::GetAtt": ["SecurityRole", "Arn"]})),
    (each_function_may_do_exactly_what_it_needs, "no checkpoints", drop(R, "OrchestratorCheckpoints")),
    (lambda_alone_takes_the_roles, "another service",
     prop("StyleRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal", {"Service": "ec2.amazonaws.com"})),
    (no_code_can_use_the_vpc_rights, "no denial", drop(R, "InfrastructureNoInterfacesFromCode")),
    (no_code_can_use_the_vpc_rights, "a denial to another's code",
     prop("StyleNoInterfacesFromCode", "PolicyDocument", "Statement", 0, "Condition", {"ArnEquals": {"lambda:SourceFunctionArn": {"Fn::GetAtt": ["Security", "Arn"]}}})),
    (the_mount_is_reached_through_the_access_point, "the whole file system", drop(R, "StyleRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 0, "Condition")),
    (the_mount_is_reached_through_the_access_point, "root", statement("OrchestratorRole", 0, "Action", ["s3files:ClientMount", "s3files:ClientWrite", "s3files:ClientRootAccess"])),
    (the_mount_is_reached_through_the_access_point, "past the mount", prop("Style", "FileSystemConfigs", 0, "S3FilesConfig", "DirectS3Read", "AUTO")),
    (agents_call_their_model_and_no_other, "models without the profile", drop(R, "StyleRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 2, "Condition")),
    (agents_call_their_model_and_no_other, "another model", prop("Style", "Environment", "Variables", "BEDROCK_AGENT_MODEL", "x")),
    (agents_call_their_model_and_no_other, "no profile", drop(R, "StyleRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 3)),
    (the_orchestrator_asks_agents_and_writes_its_own_checkpoints, "a function beside the agents",
     add(R, "OrchestratorRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 2, "Resource", "arn:aws:lambda:eu-west-1:111122223333:function:other")),
    (the_orchestrator_asks_agents_and_writes_its_own_checkpoints, "others' checkpoints",
     prop("OrchestratorCheckpoints", "PolicyDocument", "Statement", 0, "Resource", "arn:aws:lambda:eu-west-1:111122223333:function:other:1")),
    (the_orchestrator_asks_agents_and_writes_its_own_checkpoints, "no durability", drop(R, "Orchestrator", "Properties", "DurableConfig")),
    (the_orchestrator_asks_agents_and_writes_its_own_checkpoints, "the newest code in the middle of a review", drop(R, "Orchestrator", "Properties", "AutoPublishAlias")),
    (the_orchestrator_asks_agents_and_writes_its_own_checkpoints, "one agent's work for another's role",
     prop("Orchestrator", "Environment", "Variables", "CODE_REVIEW_WORKERS", '{"style-reviewer": "x"}')),
    (each_agent_is_one_role, "any role", drop(R, "Style", "Properties", "Environment", "Variables", "BEDROCK_AGENT_ROLE")),
    (each_agent_is_one_role, "another's role", prop("Style", "Environment", "Variables", "BEDROCK_AGENT_ROLE", "remediation")),
    (people_start_look_and_wake, "people write checkpoints",
     add(R, "PeoplePolicy", "Properties", "PolicyDocument", "Statement", 1, "Action", "lambda:CheckpointDurableExecution")),
    (people_start_look_and_wake, "anybody invokes an agent",
     make("Open", "AWS::Lambda::Permission", FunctionName={"Ref": "Style"}, Action="lambda:InvokeFunction", Principal="*")),
    (nothing_is_reached_but_the_mount_the_models_and_checkpoints, "HTTPS to anywhere", add(R, "WorkerSecurityGroup", "Properties", "SecurityGroupEgress", ANYWHERE)),
    (nothing_is_reached_but_the_mount_the_models_and_checkpoints, "everything out", drop(R, "OrchestratorSecurityGroup", "Properties", "SecurityGroupEgress")),
    (nothing_is_reached_but_the_mount_the_models_and_checkpoints, "an agent in the orchestrator's group",
     prop("Style", "VpcConfig", "SecurityGroupIds", [{"Fn::GetAtt": ["OrchestratorSecurityGroup", "GroupId"]}])),
    (nothing_is_reached_but_the_mount_the_models_and_checkpoints, "an endpoint for the whole VPC",
     put(R, "WorkersToBedrock", "Properties", {"GroupId": {"Fn::GetAtt": ["BedrockEndpointSecurityGroup", "GroupId"]}, "CidrIp": "10.0.0.0/8"})),
    (nothing_is_reached_but_the_mount_the_models_and_checkpoints, "a NAT gateway", make("Nat", "AWS::EC2::NatGateway", SubnetId="subnet-0a")),
    (nothing_is_reached_but_the_mount_the_models_and_checkpoints, "no VPC", drop(R, "Style", "Properties", "VpcConfig")),
    (the_endpoints_serve_this_review_alone, "no policy", drop(R, "BedrockEndpoint", "Properties", "PolicyDocument", "Statement", 0, "Condition")),
    (the_endpoints_serve_this_review_alone, "invoking through the endpoint",
     prop("LambdaEndpoint", "PolicyDocument", "Statement", 0, "Action", "lambda:*")),
    (the_endpoints_serve_this_review_alone, "another service", prop("BedrockEndpoint", "ServiceName", "com.amazonaws.eu-west-1.bedrock")),
    (the_endpoints_serve_this_review_alone, "a name that leads out", prop("LambdaEndpoint", "PrivateDnsEnabled", False)),
    (the_endpoints_serve_this_review_alone, "one more endpoint", make("Other", "AWS::EC2::VPCEndpoint", ServiceName="com.amazonaws.eu-west-1.sts")),
    (each_function_logs_to_its_own_group, "another's log", statement("StyleRole", 1, "Resource", {"Fn::GetAtt": ["SecurityLogGroup", "Arn"]})),
    (each_function_logs_to_its_own_group, "logs for ever", drop(R, "StyleLogGroup", "Properties", "RetentionInDays")),
    (each_function_logs_to_its_own_group, "no log group", drop(R, "Style", "Properties", "LoggingConfig")),
    *[(alarms_tell_of_reviews_and_functions, f"no {name}", drop(R, name)) for name in ("ReviewFailedAlarm", "ReviewTimedOutAlarm", "ErrorsAlarm", "ThrottlesAlarm")],
    (alarms_tell_of_reviews_and_functions, "an agent left out", drop(R, "ErrorsAlarm", "Properties", "Metrics", 2)),
    (alarms_tell_of_reviews_and_functions, "a sum of some", prop("ErrorsAlarm", "Metrics", 0, "Expression", "FILL(m0, 0)")),
    (alarms_tell_of_reviews_and_functions, "a metric that does not exist", prop("ReviewFailedAlarm", "MetricName", "DurableExecutionsFailed")),
    (alarms_tell_of_reviews_and_functions, "nobody is notified", drop(R, "ReviewFailedAlarm", "Properties", "AlarmActions")),
    (the_functions_are_what_the_packages_are, "the wrong package", prop("Style", "Code", "build/function.zip")),
    (the_functions_are_what_the_packages_are, "no policy", drop(R, "Style", "Properties", "Environment", "Variables", "MCP_WORKSPACE_POLICY")),
    (the_functions_are_what_the_packages_are, "a variable that is misspelt", prop("Orchestrator", "Environment", "Variables", "CODE_REVIEW_OBJECT", "x")),
    (the_functions_are_what_the_packages_are, "no key", drop(R, "Orchestrator", "Properties", "Environment", "Variables", DECISION_KEY)),
    (the_functions_are_what_the_packages_are, "a key for an agent", prop("Style", "Environment", "Variables", DECISION_KEY, "x")),
    (the_functions_are_what_the_packages_are, "no bound", drop(R, "Style", "Properties", "Environment", "Variables", "BEDROCK_AGENT_MAX_USD")),
]
