"""Wrong templates: each breaks one promise, which must then say so."""

import promises as p

R = "Resources"


def at(template, *path):
    """What lies under a path of names and indices."""
    for step in path:
        template = template[step]
    return template


def put(*path_and_value):
    """A mutation that sets what lies under a path."""
    *path, last, value = path_and_value

    def mutate(template):
        at(template, *path)[last] = value
    return mutate


def drop(*path):
    """A mutation that removes what lies under a path."""
    def mutate(template):
        del at(template, *path[:-1])[path[-1]]
    return mutate


def add(*path_and_value):
    """A mutation that appends to the list under a path."""
    *path, value = path_and_value

    def mutate(template):
        at(template, *path).append(value)
    return mutate


def swap(old, new):
    """A mutation of the dashboard's text."""
    def mutate(template):
        body = template[R]["Dashboard"]["Properties"]["DashboardBody"]
        if old not in body["Fn::Sub"]:
            raise KeyError(old)
        body["Fn::Sub"] = body["Fn::Sub"].replace(old, new)
    return mutate


def prop(resource, *path_and_value):
    """A mutation that sets a property of a resource."""
    return put(R, resource, "Properties", *path_and_value)


def statement(resource, number, *path_and_value):
    """A mutation of a statement in a role's inline policy."""
    return prop(resource, "Policies", 0, "PolicyDocument", "Statement", number, *path_and_value)


def allow(resource, action, on):
    """A mutation that lets a role do more."""
    new = {"Effect": "Allow", "Action": action, "Resource": on}
    return add(R, resource, "Properties", "Policies", 0, "PolicyDocument", "Statement", new)


def make(name, kind, **properties):
    """A mutation that makes one more resource."""
    return put(R, name, {"Type": kind, "Properties": properties})


PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": {"Fn::GetAtt": ["Bucket", "Arn"]}}
ANYWHERE = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}

# (promise, what is wrong, mutation)
TEMPLATE = [
    (p.no_wildcard_that_nobody_reviewed, "bedrock:* on everything", allow("FunctionRole", "bedrock:*", "*")),
    (p.no_wildcard_that_nobody_reviewed, "one action on everything", allow("FunctionRole", "s3:GetObject", "*")),
    (p.no_wildcard_that_nobody_reviewed, "every log group", statement("FunctionRole", 1, "Resource", "*")),
    (p.no_wildcard_that_nobody_reviewed, "every object of the bucket to the sync role",
     statement("SyncRole", 1, "Resource", "arn:aws:s3:::<Bucket>/*")),
    (p.no_wildcard_that_nobody_reviewed, "NotAction", statement("FunctionRole", 1, "NotAction", ["iam:PassRole"])),
    (p.no_wildcard_that_nobody_reviewed, "the role for anybody",
     prop("FunctionRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal", "*")),
    (p.no_wildcard_that_nobody_reviewed, "a file system for anybody",
     prop("FileSystemPolicy", "Policy", "Statement", 0, "Principal", {"AWS": "*"})),
    (p.the_function_may_do_exactly_what_it_needs, "bucket reads that nobody asked for",
     allow("FunctionRole", ["s3:GetObject"], "arn:aws:s3:::b/k")),
    (p.the_function_may_do_exactly_what_it_needs, "writing in read-only",
     statement("FunctionRole", 0, "Action", ["s3files:ClientMount", "s3files:ClientWrite"])),
    (p.the_function_may_do_exactly_what_it_needs, "no writing in read-write", statement("FunctionRole", 0, "Action", ["s3files:ClientMount"])),
    (p.the_function_may_do_exactly_what_it_needs, "a sync role without EventBridge",
     drop(R, "SyncRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 2)),
    (p.the_function_may_do_exactly_what_it_needs, "a managed policy",
     prop("FunctionRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3FilesClientFullAccess"])),
    (p.the_function_may_do_exactly_what_it_needs, "one more role",
     make("Other", "AWS::IAM::Role", AssumeRolePolicyDocument={"Statement": []})),
    (p.the_code_cannot_use_the_vpc_rights, "no denial", drop(R, "NoInterfacesFromCode")),
    (p.the_code_cannot_use_the_vpc_rights, "a denial of less",
     prop("NoInterfacesFromCode", "PolicyDocument", "Statement", 0, "Action", ["ec2:CreateNetworkInterface"])),
    (p.the_mount_is_for_the_function_through_its_access_point, "no file system policy", drop(R, "FileSystemPolicy")),
    (p.the_mount_is_for_the_function_through_its_access_point, "a mount outside of the access point",
     drop(R, "FileSystemPolicy", "Properties", "Policy", "Statement", 0, "Condition")),
    (p.the_mount_is_for_the_function_through_its_access_point, "a role not bound to the access point",
     drop(R, "FunctionRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 0, "Condition")),
    (p.the_mount_is_for_the_function_through_its_access_point, "another file system", statement("FunctionRole", 0, "Resource", "arn:x")),
    (p.nobody_is_root, "ClientRootAccess",
     add(R, "FileSystemPolicy", "Properties", "Policy", "Statement", 0, "Action", "Fn::If", 1, "s3files:ClientRootAccess")),
    (p.nobody_is_root, "uid 0", prop("AccessPoint", "PosixUser", {"Uid": "0", "Gid": "1000"})),
    (p.services_assume_roles_for_this_account_only, "the sync role for any account",
     drop(R, "SyncRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0, "Condition")),
    (p.services_assume_roles_for_this_account_only, "another service",
     prop("FunctionRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal", {"Service": "ec2.amazonaws.com"})),
    (p.everything_at_rest_is_encrypted, "a bucket without encryption", drop(R, "Bucket", "Properties", "BucketEncryption")),
    (p.everything_at_rest_is_encrypted, "a file system without the given key", drop(R, "FileSystem", "Properties", "KmsKeyId")),
    (p.no_bucket_is_public, "a public access block that is off",
     prop("Bucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy", False)),
    (p.no_bucket_is_public, "no public access block", drop(R, "Bucket", "Properties", "PublicAccessBlockConfiguration")),
    (p.no_bucket_is_public, "a policy that lets everybody read", add(R, "BucketPolicy", "Properties", "PolicyDocument", "Statement", PUBLIC)),
    (p.no_bucket_is_public, "access control lists", prop("Bucket", "AccessControl", "PublicRead")),
    (p.no_bucket_is_public, "no TLS", drop(R, "BucketPolicy")),
    (p.data_outlives_the_stack, "a bucket that goes with the stack", put(R, "Bucket", "DeletionPolicy", "Delete")),
    (p.data_outlives_the_stack, "audit records that go with the stack", drop(R, "LogGroup", "DeletionPolicy")),
    (p.data_outlives_the_stack, "no versions", prop("Bucket", "VersioningConfiguration", "Status", "Suspended")),
    (p.the_url_asks_for_iam_unless_told, "NONE by default", put("Parameters", "UrlAuth", "Default", "NONE")),
    (p.the_url_asks_for_iam_unless_told, "NONE always", prop("Url", "AuthType", "NONE")),
    (p.the_url_asks_for_iam_unless_told, "cross-origin answers", prop("Url", "Cors", {"AllowOrigins": ["*"]})),
    (p.a_caller_has_both_permissions_and_no_other, "no InvokeFunctionUrl", drop(R, "MayCallUrl")),
    (p.a_caller_has_both_permissions_and_no_other, "no InvokeFunction", drop(R, "MayInvokeByUrl")),
    (p.a_caller_has_both_permissions_and_no_other, "direct invocation too", drop(R, "MayInvokeByUrl", "Properties", "InvokedViaFunctionUrl")),
    (p.a_caller_has_both_permissions_and_no_other, "everybody", prop("MayCallUrl", "Principal", "*")),
    (p.a_caller_has_both_permissions_and_no_other, "one permission more",
     make("Other", "AWS::Lambda::Permission", FunctionName={"Ref": "Function"}, Action="lambda:InvokeFunction", Principal="bedrock.amazonaws.com")),
    (p.callers_call_by_the_url_only, "callers may invoke directly",
     drop(R, "CallerPolicy", "Properties", "PolicyDocument", "Statement", 1, "Condition")),
    (p.callers_call_by_the_url_only, "callers may call another function",
     prop("CallerPolicy", "PolicyDocument", "Statement", 0, "Resource", "arn:aws:lambda:eu-west-1:111122223333:function:other")),
    (p.each_subnet_of_the_function_has_a_mount_target, "one mount target", drop(R, "MountTargetB")),
    (p.each_subnet_of_the_function_has_a_mount_target, "both in one subnet",
     prop("MountTargetB", "SubnetId", {"Ref": "SubnetA"})),
    (p.each_subnet_of_the_function_has_a_mount_target, "a function that does not wait",
     put(R, "Function", "DependsOn", ["MountTargetA"])),
    (p.each_subnet_of_the_function_has_a_mount_target, "one zone",
     prop("SubnetB", "AvailabilityZone", {"Fn::Select": [0, {"Fn::GetAZs": ""}]})),
    (p.there_is_no_way_out, "a NAT gateway", make("Nat", "AWS::EC2::NatGateway", SubnetId={"Ref": "SubnetA"})),
    (p.there_is_no_way_out, "an internet gateway", make("Gateway", "AWS::EC2::InternetGateway")),
    (p.there_is_no_way_out, "a route", make("Out", "AWS::EC2::Route", DestinationCidrBlock="0.0.0.0/0")),
    (p.there_is_no_way_out, "public addresses", prop("SubnetA", "MapPublicIpOnLaunch", True)),
    (p.there_is_no_way_out, "an endpoint to every bucket", drop(R, "S3Endpoint", "Properties", "PolicyDocument")),
    (p.there_is_no_way_out, "an endpoint for everybody",
     drop(R, "S3Endpoint", "Properties", "PolicyDocument", "Fn::If", 1, "Statement", 0, "Condition")),
    (p.there_is_no_way_out, "no DNS", prop("Vpc", "EnableDnsHostnames", False)),
    (p.only_nfs_passes_the_security_groups, "everything out", drop(R, "FunctionSecurityGroup", "Properties", "SecurityGroupEgress")),
    (p.only_nfs_passes_the_security_groups, "HTTPS to anywhere", add(R, "FunctionSecurityGroup", "Properties", "SecurityGroupEgress", ANYWHERE)),
    (p.only_nfs_passes_the_security_groups, "NFS from anywhere",
     put(R, "FunctionToMount", "Properties", {"GroupId": {"Fn::GetAtt": ["MountSecurityGroup", "GroupId"]}, "CidrIp": "0.0.0.0/0"})),
    (p.only_nfs_passes_the_security_groups, "no NFS", drop(R, "FunctionToMount")),
    (p.only_nfs_passes_the_security_groups, "S3 without direct reads", drop(R, "FunctionToS3", "Condition")),
    (p.logs_are_kept_for_a_bounded_time, "no retention", drop(R, "LogGroup", "Properties", "RetentionInDays")),
    (p.logs_are_kept_for_a_bounded_time, "another log group", drop(R, "Function", "Properties", "LoggingConfig")),
    *[(p.alarms_go_off, f"no {name}", drop(R, name)) for name in (
        "ExportFailuresAlarm", "ImportFailuresAlarm", "LostAndFoundFilesAlarm", "ExportAgeAlarm", "PendingExportsAlarm",
        "ClientConnectionsAlarm", "ErrorsAlarm", "ThrottlesAlarm", "DurationAlarm")],
    (p.alarms_go_off, "a metric that does not exist", prop("ExportAgeAlarm", "MetricName", "ExportsAge")),
    (p.alarms_go_off, "another namespace", prop("ExportAgeAlarm", "Namespace", "AWS/S3Files")),
    (p.alarms_go_off, "another function", prop("ErrorsAlarm", "Dimensions", 0, "Value", "other")),
    (p.alarms_go_off, "nobody is notified", drop(R, "ThrottlesAlarm", "Properties", "AlarmActions")),
    (p.alarms_go_off, "the median", prop("DurationAlarm", "ExtendedStatistic", "p50")),
    (p.alarms_go_off, "missing data counts", prop("ImportFailuresAlarm", "TreatMissingData", "breaching")),
    (p.the_dashboard_shows_what_exists, "no JSON", swap('{"widgets": [', '{"widgets": [,')),
    (p.the_dashboard_shows_what_exists, "a metric that does not exist", swap('"ExportAge"', '"ExportsAge"')),
    (p.the_dashboard_shows_what_exists, "another dimension", swap('"FunctionName"', '"Function"')),
    (p.the_dashboard_shows_what_exists, "a metric of calls that does not exist", swap('MetricName=\\"Denied\\"', 'MetricName=\\"Refused\\"')),
    (p.the_dashboard_shows_what_exists, "another log group", swap("${LogGroup}", "/aws/lambda/other")),
    (p.the_function_is_what_the_package_is, "another runtime", prop("Function", "Runtime", "provided.al2")),
    (p.the_function_is_what_the_package_is, "one architecture", prop("Function", "Architectures", ["arm64"])),
    (p.the_function_is_what_the_package_is, "another mount path", prop("Function", "FileSystemConfigs", 0, "LocalMountPath", "/mnt/data")),
    (p.the_function_is_what_the_package_is, "the file system instead of the access point",
     prop("Function", "FileSystemConfigs", 0, "Arn", {"Fn::GetAtt": ["FileSystem", "FileSystemArn"]})),
    (p.the_function_is_what_the_package_is, "no policy", drop(R, "Function", "Properties", "Environment", "Variables", "MCP_WORKSPACE_POLICY")),
    (p.the_function_is_what_the_package_is, "no key", drop(R, "Function", "Properties", "Environment", "Variables", p.DECISION_KEY)),
    (p.the_function_is_what_the_package_is, "a key in the template", prop("Function", "Environment", "Variables", p.DECISION_KEY, "x")),
    (p.the_function_is_what_the_package_is, "a variable that is misspelt",
     prop("Function", "Environment", "Variables", "MCP_WORKSPACE_POLCY", "x")),
    (p.the_function_is_what_the_package_is, "events of every kind",
     prop("Function", "Environment", "Variables", "MCP_WORKSPACE_EVENTS", "url-iam,url-token,gateway,action-group")),
    (p.the_function_is_what_the_package_is, "no word about events", drop(R, "Function", "Properties", "Environment", "Variables", "MCP_WORKSPACE_EVENTS")),
    (p.the_function_is_what_the_package_is, "direct reads always", prop("Function", "FileSystemConfigs", 0, "S3FilesConfig", "DirectS3Read", "AUTO")),
]
GATEWAY = [
    (p.no_wildcard_that_nobody_reviewed, "every function", statement("GatewayRole", 0, "Resource", "*")),
    (p.services_assume_roles_for_this_account_only, "the gateway's role for any gateway",
     drop(R, "GatewayRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0, "Condition", "ArnLike")),
    (p.callers_call_by_the_url_only, "the gateway may invoke directly",
     drop(R, "GatewayRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 1, "Condition")),
    (p.the_gateway_calls_under_its_own_role, "no InvokeFunction",
     drop(R, "GatewayRole", "Properties", "Policies", 0, "PolicyDocument", "Statement", 1)),
    (p.the_gateway_calls_under_its_own_role, "no credentials", drop(R, "WorkspaceTarget", "Properties", "CredentialProviderConfigurations")),
    (p.the_gateway_calls_under_its_own_role, "another service to sign for",
     prop("WorkspaceTarget", "CredentialProviderConfigurations", 0, "CredentialProvider", "IamCredentialProvider", "Service", "execute-api")),
    (p.the_gateway_calls_under_its_own_role, "another path",
     prop("WorkspaceTarget", "TargetConfiguration", "Mcp", "McpServer", "Endpoint", {"Ref": "FunctionUrl"})),
    (p.the_gateway_is_open_to_nobody, "no authorizer", prop("Gateway", "AuthorizerType", "NONE")),
    (p.the_gateway_is_open_to_nobody, "any audience",
     drop(R, "Gateway", "Properties", "AuthorizerConfiguration", "Fn::If", 1, "CustomJWTAuthorizer", "AllowedAudience")),
    (p.no_header_names_an_agent_unless_told, "a header in any case",
     prop("WorkspaceTarget", "MetadataConfiguration", {"AllowedRequestHeaders": ["X-Mcp-Workspace-On-Behalf-Of"]})),
]
# Parameters' rules that must be missed when they are gone.
RULES = {
    "template": ["OpenUrlNeedsTokens", "DirectReadsNeedAWay", "ExistingVpcNeedsSubnets"],
    "gateway": ["TokensNeedAnAudience"],
    "review": ["MoneyNeedsPrices", "InputPriceNeedsOther", "OutputPriceNeedsOther"],
}
