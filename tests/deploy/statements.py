"""Every policy statement of a stack, and the wildcards in them that somebody has reviewed."""

ENI_REASON = "Lambda asks for these on `*` when it makes the function's interfaces; NoInterfacesFromCode takes them from the code"
SYNC_REASON = "the objects of the file system's own prefix; S3 Files documents these families of actions"
RULE_REASON = "S3 Files names its rules itself; the condition lets it manage only its own"
EXECUTION_REASON = "an execution is a sub-resource of a version of the function, and versions come with deployments"
REVIEW = ("Orchestrator", "Security", "Style", "Maintainability", "Infrastructure", "Remediation")

# (where, which part, value): why it may be. A value that no variant of a template has must go.
REVIEWED = {
    ("FunctionRole", "Resource", "*"): ENI_REASON,
    ("NoInterfacesFromCode", "Resource", "*"): "a denial",
    ("BucketPolicy", "Principal", "*"): "a denial, of requests without TLS",
    ("BucketPolicy", "Action", "s3:*"): "a denial, of requests without TLS",
    ("BucketPolicy", "Resource", "<Bucket.Arn>/*"): "a denial, of requests without TLS",
    ("S3Endpoint", "Principal", "*"): "gateway endpoints take a role only by the condition aws:PrincipalArn",
    ("S3Endpoint", "Resource", "arn:aws:s3:::<Bucket>/workspace/*"): "the objects of the file system's prefix, to read",
    ("S3Endpoint", "Resource", "arn:aws:s3:::my-bucket/workspace/*"): "the objects of the file system's prefix, to read",
    ("FunctionRole", "Resource", "arn:aws:s3:::<Bucket>/workspace/agents/*"): "direct reads of the workspace's objects",
    ("SyncRole", "Resource", "arn:aws:s3:::<Bucket>/workspace/*"): SYNC_REASON,
    ("SyncRole", "Resource", "arn:aws:s3:::my-bucket/workspace/*"): SYNC_REASON,
    ("SyncRole", "Action", "s3:DeleteObject*"): SYNC_REASON,
    ("SyncRole", "Action", "s3:GetObject*"): SYNC_REASON,
    ("SyncRole", "Action", "s3:List*"): SYNC_REASON,
    ("SyncRole", "Action", "s3:PutObject*"): SYNC_REASON,
    ("SyncRole", "Resource", "arn:aws:events:eu-west-1:111122223333:rule/DO-NOT-DELETE-S3-Files*"): RULE_REASON,
    ("SyncRole", "Resource", "arn:aws:events:eu-west-1:111122223333:rule/*"): "reads rules to find its own, as S3 Files documents",
    **{(f"{name}Role", "Resource", "*"): ENI_REASON for name in REVIEW},
    **{(f"{name}NoInterfacesFromCode", "Resource", "*"): "a denial" for name in REVIEW},
    ("BedrockEndpoint", "Principal", "*"): "who is said by the condition aws:PrincipalArn",
    ("LambdaEndpoint", "Principal", "*"): "who is said by the condition aws:PrincipalArn",
    ("LambdaEndpoint", "Resource", "<Orchestrator.Arn>:*"): EXECUTION_REASON,
    ("OrchestratorCheckpoints", "Resource", "<Orchestrator.Arn>:*"): EXECUTION_REASON,
    ("PeoplePolicy", "Resource", "<Orchestrator.Arn>:*"): EXECUTION_REASON,
}

# Actions that may stand on the resource `*`, since AWS checks them on nothing narrower.
ON_EVERYTHING = {
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
}


def listed(value):
    """A policy's value, which may be one or a list, as a list."""
    return value if isinstance(value, list) else [value]


def _principals(value):
    if isinstance(value, dict):
        return [one for part in value.values() for one in listed(part)]
    return listed(value)


def _documents(resource):
    properties = resource.get("Properties", {})
    for inline in properties.get("Policies", []):
        yield inline["PolicyDocument"]
    for name in ("PolicyDocument", "Policy"):
        if isinstance(properties.get(name), dict):
            yield properties[name]


def statements(stack, trust=False):
    """Pairs of a resource's name and a statement in its policies, or in its trust."""
    for name, resource in stack.resources.items():
        if trust:
            documents = [resource["Properties"]["AssumeRolePolicyDocument"]] if resource["Type"] == "AWS::IAM::Role" else []
        else:
            documents = _documents(resource)
        for document in documents:
            for statement in listed(document["Statement"]):
                yield name, statement


def wildcards(stack):
    """Every wildcard in a policy: (resource, part, value)."""
    for trust in (False, True):
        for name, statement in statements(stack, trust):
            for part in ("NotAction", "NotResource", "NotPrincipal"):
                if part in statement:
                    yield name, part, str(statement[part])
            values = {
                "Action": listed(statement.get("Action", [])),
                "Resource": listed(statement.get("Resource", [])),
                "Principal": _principals(statement.get("Principal", [])),
            }
            for part, several in values.items():
                for value in several:
                    if "*" in value or "?" in value:
                        yield name, part, value


def actions(stack, name):
    """What a resource's policies allow."""
    return {
        action
        for owner, statement in statements(stack)
        if owner == name and statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
