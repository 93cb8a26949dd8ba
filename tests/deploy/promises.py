"""What deploy/template.yaml and deploy/gateway.yaml promise: one function a promise.

Each takes a resolved stack and gives what is wrong with it; nothing where the promise is kept.
"""

import pathlib

from metrics import EXISTING, exists, named_by
from statements import ON_EVERYTHING, REVIEWED, actions, listed, statements, wildcards

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The public key that RFC 7517 shows.
KEYS = (
    '{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",'
    '"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","alg":"ES256","use":"sig","kid":"1"}]}'
)
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:decisions-AbCdEf"
VERSION = "EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE"
TEMPLATE_VARIANTS = {
    "as it is": {},
    "read-only": {"Access": "read-only"},
    "direct reads": {"DirectS3Reads": "AUTO", "S3PrefixListId": "pl-0123abcd"},
    "own key": {"KmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/0-1", "DirectS3Reads": "ENABLED", "S3PrefixListId": "pl-0123abcd"},
    "existing bucket": {"ExistingBucket": "my-bucket"},
    "existing network": {
        "ExistingVpcId": "vpc-0123", "ExistingSubnetA": "subnet-0a", "ExistingSubnetB": "subnet-0b",
        "ExistingRouteTableIds": "rtb-0a,rtb-0b",
    },
    "signed decisions": {"DecisionKeySecretArn": SECRET},
    "signed decisions, a version": {"DecisionKeySecretArn": SECRET, "DecisionKeyVersion": VERSION},
    "called directly": {"DirectCallers": "gateway,action-group"},
    "one caller": {"CallerPrincipal": "arn:aws:iam::444455556666:role/agent"},
    "access tokens": {"UrlAuth": "NONE", "JwtIssuer": "https://idp.example.com", "JwtAudience": "workspace", "JwtJwks": KEYS},
    "arm64, streaming, bounded": {"Architecture": "arm64", "ResponseStreaming": "true", "ReservedConcurrency": 20},
    "notified, not counted": {"AlarmTopicArn": "arn:aws:sns:eu-west-1:111122223333:alarms", "Metrics": "off"},
}
GATEWAY_BASE = {
    "FunctionUrl": "https://abc.lambda-url.eu-west-1.on.aws/",
    "FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:stack-Function-1",
}
GATEWAY_VARIANTS = {
    "as it is": GATEWAY_BASE,
    "access tokens": GATEWAY_BASE | {
        "JwtDiscoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "JwtAudience": "workspace",
    },
    "delegation": GATEWAY_BASE | {"DelegationHeader": "X-Mcp-Workspace-On-Behalf-Of"},
}
# Parameters that must be refused before anything is made.
REFUSED_PARAMETERS = {
    "an open URL without access tokens": {"UrlAuth": "NONE"},
    "an open URL without an audience": {"UrlAuth": "NONE", "JwtIssuer": "https://idp.example.com", "JwtJwks": KEYS},
    "direct reads without a way to S3": {"DirectS3Reads": "AUTO"},
    "a version of no secret": {"DecisionKeyVersion": VERSION},
    "a network without subnets": {"ExistingVpcId": "vpc-0123"},
    "a network with one subnet": {"ExistingVpcId": "vpc-0123", "ExistingSubnetA": "subnet-0a"},
    "a network with the same subnet twice": {"ExistingVpcId": "vpc-0123", "ExistingSubnetA": "subnet-0a", "ExistingSubnetB": "subnet-0a"},
}
REFUSED_GATEWAY_PARAMETERS = {
    "tokens for any audience": GATEWAY_BASE | {"JwtDiscoveryUrl": "https://idp.example.com/.well-known/openid-configuration"},
}

DECISION_KEY = "MCP_WORKSPACE_DECISION_KEY"
MOUNT = {"s3files:ClientMount"}
FUNCTION = {"logs:CreateLogStream", "logs:PutLogEvents"} | ON_EVERYTHING
CALL = {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
SYNC = {
    "s3:ListBucket", "s3:ListBucketVersions", "s3:AbortMultipartUpload", "s3:DeleteObject*", "s3:GetObject*", "s3:List*",
    "s3:PutObject*", "events:DeleteRule", "events:DisableRule", "events:EnableRule", "events:PutRule", "events:PutTargets",
    "events:RemoveTargets", "events:DescribeRule", "events:ListRuleNamesByTarget", "events:ListRules", "events:ListTargetsByRule",
}
SYNC_KEY = {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
ALARMS = [("AWS/S3/Files", name) for name in (
    "ExportFailures", "ImportFailures", "LostAndFoundFiles", "ExportAge", "PendingExports", "ClientConnections",
)] + [("AWS/Lambda", name) for name in ("Errors", "Throttles", "Duration")]
WAYS_OUT = (
    "AWS::EC2::NatGateway", "AWS::EC2::InternetGateway", "AWS::EC2::EgressOnlyInternetGateway", "AWS::EC2::EIP",
    "AWS::EC2::Route", "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::TransitGatewayAttachment", "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::VPNGateway",
)


def no_wildcard_that_nobody_reviewed(stack):
    for found in wildcards(stack):
        if found not in REVIEWED:
            yield f"{found[0]}: {found[1]} `{found[2]}` is not in the reviewed list"
    for name, statement in statements(stack):
        if statement["Effect"] == "Allow" and "*" in listed(statement.get("Resource", [])):
            for action in set(listed(statement["Action"])) - ON_EVERYTHING:
                yield f"{name}: `{action}` on every resource"


def the_function_may_do_exactly_what_it_needs(stack):
    expected = FUNCTION | MOUNT
    if stack.parameters["Access"] == "read-write":
        expected |= {"s3files:ClientWrite"}
    if stack.parameters["DirectS3Reads"] != "DISABLED":
        expected |= {"s3:GetObject", "s3:GetObjectVersion"}
        if stack.parameters["KmsKeyArn"]:
            expected |= {"kms:Decrypt"}
    yield from _difference(stack, "FunctionRole", expected)
    yield from _difference(stack, "SyncRole", SYNC | (SYNC_KEY if stack.parameters["KmsKeyArn"] else set()))
    yield from _difference(stack, "CallerPolicy", CALL)
    for name, role in stack.of_type("AWS::IAM::Role").items():
        if role["Properties"].get("ManagedPolicyArns"):
            yield f"{name} has managed policies, which nobody here has read"
    if set(stack.of_type("AWS::IAM::Role")) != {"FunctionRole", "SyncRole"}:
        yield "there are other roles than FunctionRole and SyncRole"


def _difference(stack, name, expected):
    found = actions(stack, name)
    if found - expected:
        yield f"{name} may do more: {sorted(found - expected)}"
    if expected - found:
        yield f"{name} may not do {sorted(expected - found)}"


def the_code_cannot_use_the_vpc_rights(stack):
    for name, statement in statements(stack):
        condition = statement.get("Condition", {}).get("ArnEquals", {}).get("lambda:SourceFunctionArn")
        if name == "NoInterfacesFromCode" and statement["Effect"] == "Deny" and condition == "<Function.Arn>":
            if ON_EVERYTHING <= set(listed(statement["Action"])) and stack.properties(name).get("RoleName") == "<FunctionRole>":
                return
    yield "no denial of the VPC rights to the function's own code"


def the_mount_is_for_the_function_through_its_access_point(stack):
    expected = MOUNT | ({"s3files:ClientWrite"} if stack.parameters["Access"] == "read-write" else set())
    seen = set()
    for name, statement in statements(stack):
        used = {action for action in listed(statement["Action"]) if action.startswith("s3files:")}
        if not used:
            continue
        seen.add(name)
        if used != expected:
            yield f"{name}: {sorted(used)} instead of {sorted(expected)}"
        if statement.get("Resource") != "<FileSystem.FileSystemArn>":
            yield f"{name}: on {statement.get('Resource')}"
        if statement.get("Condition") != {"ArnEquals": {"s3files:AccessPointArn": "<AccessPoint.AccessPointArn>"}}:
            yield f"{name}: not bound to the access point"
        if name == "FileSystemPolicy" and statement.get("Principal") != {"AWS": "<FunctionRole.Arn>"}:
            yield f"{name}: for {statement.get('Principal')}"
    if seen != {"FunctionRole", "FileSystemPolicy"}:
        yield f"the mount is granted in {sorted(seen)}, not in the function's role and the file system's policy"
    if stack.properties("FileSystemPolicy").get("FileSystemId") != "<FileSystem.FileSystemId>":
        yield "the file system has no policy: any client within reach may mount"
    if stack.properties("AccessPoint").get("PosixUser") != {"Uid": "1000", "Gid": "1000"}:
        yield "the access point does not act as user 1000"


def nobody_is_root(stack):
    if "ClientRootAccess" in str(stack.resources):
        yield "ClientRootAccess is granted"
    user = stack.properties("AccessPoint").get("PosixUser", {})
    if "0" in (user.get("Uid"), user.get("Gid")):
        yield "the access point acts as root"


def services_assume_roles_for_this_account_only(stack):
    expected = {
        "FunctionRole": "lambda.amazonaws.com", "SyncRole": "elasticfilesystem.amazonaws.com",
        "GatewayRole": "bedrock-agentcore.amazonaws.com",
    }
    for name, statement in statements(stack, trust=True):
        if statement.get("Principal") != {"Service": expected.get(name)}:
            yield f"{name} trusts {statement.get('Principal')}"
        if listed(statement["Action"]) != ["sts:AssumeRole"]:
            yield f"{name} may be taken by {statement['Action']}"
        condition = statement.get("Condition", {})
        # Lambda sends no source account when it takes an execution role.
        if name != "FunctionRole":
            if condition.get("StringEquals", {}).get("aws:SourceAccount") != "111122223333":
                yield f"{name} is trusted for any account"
            if not condition.get("ArnLike", {}).get("aws:SourceArn", "").startswith("arn:aws:"):
                yield f"{name} is trusted for any source"


def everything_at_rest_is_encrypted(stack):
    key = stack.parameters["KmsKeyArn"]
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        rules = bucket["Properties"].get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
        wanted = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
        if [rule.get("ServerSideEncryptionByDefault") for rule in rules] != [wanted]:
            yield f"{name} is not encrypted as {wanted}"
    if stack.properties("FileSystem").get("KmsKeyId") != (key or None):
        yield "the file system does not use the given key"


def no_bucket_is_public(stack):
    buckets = stack.of_type("AWS::S3::Bucket")
    if bool(buckets) != (not stack.parameters["ExistingBucket"]):
        yield "there is a bucket beside the existing one, or none"
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        block = properties.get("PublicAccessBlockConfiguration", {})
        for setting in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
            if block.get(setting) is not True:
                yield f"{name}: {setting} is off"
        if properties.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
            yield f"{name} has access control lists"
        if "WebsiteConfiguration" in properties or "AccessControl" in properties:
            yield f"{name} is a web site or has an access control list"
    tls = False
    for name, statement in statements(stack):
        if stack.resources[name]["Type"] == "AWS::S3::BucketPolicy":
            if statement["Effect"] != "Deny":
                yield f"{name} allows something"
            tls |= statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    if buckets and not tls:
        yield "the bucket answers without TLS"


def data_outlives_the_stack(stack):
    for name in ("Bucket", "LogGroup"):
        resource = stack.resources.get(name)
        if resource and (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{name} goes with the stack"
    if "Bucket" in stack.resources and stack.properties("Bucket").get("VersioningConfiguration") != {"Status": "Enabled"}:
        yield "the bucket has no versions, which S3 Files needs"


def the_url_asks_for_iam_unless_told(stack):
    [url] = [one["Properties"] for one in stack.of_type("AWS::Lambda::Url").values()]
    open_by_choice = stack.parameters["UrlAuth"] == "NONE" and stack.parameters["JwtIssuer"]
    if url["AuthType"] != ("NONE" if open_by_choice else "AWS_IAM"):
        yield f"the URL's auth type is {url['AuthType']}"
    if "Cors" in url:
        yield "the URL answers pages of other origins"
    if url.get("InvokeMode") != ("RESPONSE_STREAM" if stack.parameters["ResponseStreaming"] == "true" else "BUFFERED"):
        yield f"the URL's mode is {url.get('InvokeMode')}"


def a_caller_has_both_permissions_and_no_other(stack):
    permissions = [one["Properties"] for one in stack.of_type("AWS::Lambda::Permission").values()]
    auth = stack.parameters["UrlAuth"]
    principal = "*" if auth == "NONE" else stack.parameters["CallerPrincipal"] or "111122223333"
    common = {"FunctionName": "<Function>", "Principal": principal}
    expected = [
        common | {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": auth},
        common | {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
    ]
    for permission in permissions:
        if permission not in expected:
            yield f"not expected: {permission}"
    for one in expected:
        if one not in permissions:
            yield f"missing: {one}"


def callers_call_by_the_url_only(stack):
    for name in ("CallerPolicy", "GatewayRole"):
        conditions = {
            "lambda:InvokeFunctionUrl": {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}},
            "lambda:InvokeFunction": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
        }
        function = stack.parameters.get("FunctionArn", "<Function.Arn>")
        for owner, statement in statements(stack):
            if owner != name:
                continue
            for action in listed(statement["Action"]):
                if statement.get("Condition") != conditions.get(action):
                    yield f"{name}: {action} under {statement.get('Condition')}"
            if statement.get("Resource") != function:
                yield f"{name}: on {statement.get('Resource')}"


def each_subnet_of_the_function_has_a_mount_target(stack):
    subnets = stack.properties("Function").get("VpcConfig", {}).get("SubnetIds", [])
    targets = {name: one["Properties"] for name, one in stack.of_type("AWS::S3Files::MountTarget").items()}
    if len(subnets) != 2 or len(set(subnets)) != 2:
        yield f"the function's subnets are {subnets}"
    if sorted(one["SubnetId"] for one in targets.values()) != sorted(subnets):
        yield "the mount targets are in other subnets"
    for name, target in targets.items():
        if target.get("SecurityGroups") != ["<MountSecurityGroup.GroupId>"] or target["FileSystemId"] != "<FileSystem.FileSystemId>":
            yield f"{name} is of another file system or security group"
        if name not in stack.resources["Function"].get("DependsOn", []):
            yield f"the function can start before {name}"
    zones = [one["Properties"]["AvailabilityZone"] for one in stack.of_type("AWS::EC2::Subnet").values()]
    if len(set(zones)) != len(zones):
        yield f"the subnets' zones are {zones}"


def there_is_no_way_out(stack):
    for name, resource in stack.resources.items():
        if resource["Type"] in WAYS_OUT:
            yield f"{name} is a {resource['Type']}"
        if resource["Properties"].get("MapPublicIpOnLaunch"):
            yield f"{name} gives public addresses"
        if resource["Type"] == "AWS::EC2::VPCEndpoint" and resource["Properties"].get("VpcEndpointType") != "Gateway":
            yield f"{name} is no gateway endpoint"
    made = not stack.parameters["ExistingVpcId"]
    if made and not stack.properties("S3Endpoint").get("PolicyDocument"):
        yield "the S3 endpoint reaches every bucket"
    for name, statement in statements(stack):
        if name == "S3Endpoint" and statement.get("Condition") != {"ArnEquals": {"aws:PrincipalArn": "<FunctionRole.Arn>"}}:
            yield "the S3 endpoint is not for the function alone"
    for name, one in stack.of_type("AWS::EC2::VPC").items():
        if not (one["Properties"].get("EnableDnsSupport") and one["Properties"].get("EnableDnsHostnames")):
            yield f"{name} has no DNS, by which S3 Files is mounted"


def only_nfs_passes_the_security_groups(stack):
    nfs = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}

    def bare(rule):
        return {name: value for name, value in rule.items() if name != "Description"}

    for name, one in stack.of_type("AWS::EC2::SecurityGroup").items():
        properties = one["Properties"]
        if properties.get("SecurityGroupIngress"):
            yield f"{name} lets something in"
        expected = (
            [nfs | {"DestinationSecurityGroupId": "<MountSecurityGroup.GroupId>"}] if name == "FunctionSecurityGroup"
            else [{"IpProtocol": "-1", "CidrIp": "127.0.0.1/32"}]
        )
        if [bare(rule) for rule in properties.get("SecurityGroupEgress", [])] != expected:
            yield f"{name} lets out {properties.get('SecurityGroupEgress', 'everything')}"
    ingress = [bare(one["Properties"]) for one in stack.of_type("AWS::EC2::SecurityGroupIngress").values()]
    if ingress != [nfs | {"GroupId": "<MountSecurityGroup.GroupId>", "SourceSecurityGroupId": "<FunctionSecurityGroup.GroupId>"}]:
        yield f"what comes in is {ingress}"
    direct = stack.parameters["DirectS3Reads"] != "DISABLED"
    s3 = {"GroupId": "<FunctionSecurityGroup.GroupId>", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
          "DestinationPrefixListId": stack.parameters["S3PrefixListId"]}
    egress = [bare(one["Properties"]) for one in stack.of_type("AWS::EC2::SecurityGroupEgress").values()]
    if egress != ([s3] if direct else []):
        yield f"what else goes out is {egress}"
    if stack.properties("Function").get("VpcConfig", {}).get("SecurityGroupIds") != ["<FunctionSecurityGroup.GroupId>"]:
        yield "the function is in other security groups"


def logs_are_kept_for_a_bounded_time(stack):
    if not stack.properties("LogGroup").get("RetentionInDays"):
        yield "logs are kept forever"
    if stack.properties("Function").get("LoggingConfig", {}).get("LogGroup") != "<LogGroup>":
        yield "the function logs elsewhere"
    for name, statement in statements(stack):
        if any(action.startswith("logs:") for action in listed(statement["Action"])) and statement["Resource"] != "<LogGroup.Arn>":
            yield f"{name} may write other logs"


def _alarm_metrics(properties):
    if "MetricName" in properties:
        yield properties["Namespace"], properties["MetricName"], properties.get("Dimensions", [])
    for one in properties.get("Metrics", []):
        if "MetricStat" in one:
            metric = one["MetricStat"]["Metric"]
            yield metric["Namespace"], metric["MetricName"], metric.get("Dimensions", [])


def alarms_go_off(stack):
    own = {"FunctionName": "<Function>", "FileSystemId": "<FileSystem.FileSystemId>"}
    topic = stack.parameters["AlarmTopicArn"]
    seen = set()
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        for namespace, metric, dimensions in _alarm_metrics(properties):
            named = ",".join(one["Name"] for one in dimensions)
            if not exists(namespace, named, metric):
                yield f"{name}: there is no {namespace} {metric} by {named or 'nothing'}"
            elif [one["Value"] for one in dimensions] != [own[one["Name"]] for one in dimensions]:
                yield f"{name} watches something else"
            else:
                seen.add((namespace, metric))
        if properties.get("AlarmActions", []) != ([topic] if topic else []):
            yield f"{name} notifies {properties.get('AlarmActions')}"
        if properties.get("TreatMissingData") != "notBreaching" or "Threshold" not in properties:
            yield f"{name} has no threshold, or goes off when nothing happens"
        if properties["Period" if "Period" in properties else "Metrics"] in (None, []) or not properties.get("AlarmDescription"):
            yield f"{name} has no period or description"
        if not properties["ComparisonOperator"].startswith("GreaterThan") or properties.get("ActionsEnabled") is False:
            yield f"{name} never goes off"
        if properties.get("MetricName") == "Duration" and properties.get("ExtendedStatistic") != "p99":
            yield f"{name} is not about the 99th percentile"
    for namespace, metric in ALARMS:
        if (namespace, metric) not in seen:
            yield f"no alarm on {namespace} {metric}"


def the_dashboard_shows_what_exists(stack):
    [dashboard] = stack.of_type("AWS::CloudWatch::Dashboard").values()
    own = {"FunctionName": "<Function>", "FileSystemId": "<FileSystem.FileSystemId>"}
    try:
        shown = list(named_by(dashboard["Properties"]["DashboardBody"]))
    except (ValueError, KeyError, TypeError) as error:
        yield f"the dashboard cannot be read: {error}"
        return
    for title, namespace, dimensions, metric, values in shown:
        if not exists(namespace, dimensions, metric):
            yield f"{title}: there is no {namespace} {metric} by {dimensions}"
        elif values and values != [own[one] for one in dimensions.split(",")]:
            yield f"{title} shows something else"
    missing = {(namespace, metric) for namespace, metric in ALARMS} - {(one[1], one[3]) for one in shown}
    missing |= {("McpWorkspace", metric) for metric in EXISTING["McpWorkspace"]["Tool,Role"]} - {(one[1], one[3]) for one in shown}
    if missing:
        yield f"not on the dashboard: {sorted(missing)}"
    if "SOURCE '<LogGroup>'" not in dashboard["Properties"]["DashboardBody"]:
        yield "no widget reads the function's log group"


def the_function_is_what_the_package_is(stack):
    properties = stack.properties("Function")
    expected = {
        "Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": [stack.parameters["Architecture"]],
        "Role": "<FunctionRole.Arn>", "Code": "build/function.zip",
    }
    for name, value in expected.items():
        if properties.get(name) != value:
            yield f"{name} is {properties.get(name)}, not {value}"
    [mount] = properties.get("FileSystemConfigs") or [{}]
    variables = properties.get("Environment", {}).get("Variables", {})
    if mount.get("Arn") != "<AccessPoint.AccessPointArn>":
        yield f"the mount is {mount.get('Arn')}"
    if mount.get("S3FilesConfig", {}).get("DirectS3Read") != stack.parameters["DirectS3Reads"]:
        yield "direct reads are not as told"
    if variables.get("MCP_WORKSPACE_ROOT") != mount.get("LocalMountPath"):
        yield "the server looks elsewhere than at the mount"
    if variables.get("MCP_WORKSPACE_POLICY") != "/var/task/policy.toml":
        yield "the server has no policy"
    config = "".join(file.read_text() for file in (ROOT / "src").glob("config*/**/*.rs")) + (ROOT / "src/config.rs").read_text()
    yield from decisions_are_signed_as_told(variables, stack.parameters, "deploy/policy.toml")
    for variable in variables.keys() - {DECISION_KEY}:
        if f'"{variable}"' not in config:
            yield f"src/config does not read {variable}"
    tokens = {name for name in variables if name.startswith("MCP_WORKSPACE_JWT_")}
    if bool(tokens) != (stack.parameters["UrlAuth"] == "NONE"):
        yield f"access tokens are set by {sorted(tokens)}"
    url = "url-token" if stack.parameters["UrlAuth"] == "NONE" else "url-iam"
    events = ",".join(kind for kind in (url, stack.parameters["DirectCallers"]) if kind)
    if variables.get("MCP_WORKSPACE_EVENTS") != events:
        yield f"the events {variables.get('MCP_WORKSPACE_EVENTS')} are answered, not {events}"
    if properties.get("ReservedConcurrentExecutions") != (stack.parameters["ReservedConcurrency"] or None):
        yield "the concurrency is not as told"


def decisions_are_signed_as_told(variables, parameters, policy):
    """By a secret that CloudFormation reads, in the variable that the packaged policy can name."""
    secret, version = parameters["DecisionKeySecretArn"], parameters["DecisionKeyVersion"]
    expected = f"{{{{resolve:secretsmanager:{secret}:SecretString:::{version}}}}}" if secret else None
    if variables.get(DECISION_KEY) != expected:
        yield f"the key of decisions is {variables.get(DECISION_KEY)}, not {expected}"
    if f'# [decisions]\n# key_env = "{DECISION_KEY}"\n' not in (ROOT / policy).read_text():
        yield f"{policy} does not say how {DECISION_KEY} is named"


def the_gateway_calls_under_its_own_role(stack):
    yield from _difference(stack, "GatewayRole", CALL)
    gateway, target = stack.properties("Gateway"), stack.properties("WorkspaceTarget")
    if gateway.get("RoleArn") != "<GatewayRole.Arn>" or target.get("GatewayIdentifier") != "<Gateway.GatewayIdentifier>":
        yield "the gateway has another role, or the target another gateway"
    if target.get("CredentialProviderConfigurations") != [{
        "CredentialProviderType": "GATEWAY_IAM_ROLE",
        "CredentialProvider": {"IamCredentialProvider": {"Service": "lambda", "Region": "eu-west-1"}},
    }]:
        yield f"the gateway signs as {target.get('CredentialProviderConfigurations')}"
    if target.get("TargetConfiguration") != {"Mcp": {"McpServer": {"Endpoint": stack.parameters["FunctionUrl"] + "mcp"}}}:
        yield f"the target is {target.get('TargetConfiguration')}"


def the_gateway_is_open_to_nobody(stack):
    gateway = stack.properties("Gateway")
    tokens = gateway.get("AuthorizerConfiguration", {}).get("CustomJWTAuthorizer", {})
    if stack.parameters["JwtDiscoveryUrl"]:
        if gateway.get("AuthorizerType") != "CUSTOM_JWT" or tokens.get("AllowedAudience") != [stack.parameters["JwtAudience"]]:
            yield "the gateway takes tokens for others"
    elif gateway.get("AuthorizerType") != "AWS_IAM" or tokens:
        yield f"the gateway's authorizer is {gateway.get('AuthorizerType')}"


def no_header_names_an_agent_unless_told(stack):
    headers = stack.properties("WorkspaceTarget").get("MetadataConfiguration", {}).get("AllowedRequestHeaders", [])
    wanted = stack.parameters["DelegationHeader"]
    if headers != ([wanted] if wanted else []):
        yield f"the gateway passes on {headers}"


TEMPLATE = [
    no_wildcard_that_nobody_reviewed,
    the_function_may_do_exactly_what_it_needs,
    the_code_cannot_use_the_vpc_rights,
    the_mount_is_for_the_function_through_its_access_point,
    nobody_is_root,
    services_assume_roles_for_this_account_only,
    everything_at_rest_is_encrypted,
    no_bucket_is_public,
    data_outlives_the_stack,
    the_url_asks_for_iam_unless_told,
    a_caller_has_both_permissions_and_no_other,
    callers_call_by_the_url_only,
    each_subnet_of_the_function_has_a_mount_target,
    there_is_no_way_out,
    only_nfs_passes_the_security_groups,
    logs_are_kept_for_a_bounded_time,
    alarms_go_off,
    the_dashboard_shows_what_exists,
    the_function_is_what_the_package_is,
]
GATEWAY = [
    no_wildcard_that_nobody_reviewed,
    services_assume_roles_for_this_account_only,
    callers_call_by_the_url_only,
    the_gateway_calls_under_its_own_role,
    the_gateway_is_open_to_nobody,
    no_header_names_an_agent_unless_told,
]
