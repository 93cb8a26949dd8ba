"""A CloudFormation template as a stack would get it: loaded, and resolved under given parameters."""

import copy
import re

import yaml

PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}


class _NoValue:
    """Stands for `AWS::NoValue` until what holds it drops it."""


NO_VALUE = _NoValue()


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load(file):
    """The template as it is written, short forms in their long form."""
    return yaml.load(file.read_text(), _Loader)


class Stack:
    """The template under parameters: only what would be made, with every value resolved.

    `Ref` and `GetAtt` of a resource become `<Name>` and `<Name.Attribute>`.
    """

    def __init__(self, template, parameters=None):
        template = copy.deepcopy(template)
        declared = template.get("Parameters", {})
        unknown = set(parameters or {}) - set(declared)
        if unknown:
            raise KeyError(f"no such parameters: {unknown}")
        self.parameters = {name: (parameters or {}).get(name, one.get("Default")) for name, one in declared.items()}
        missing = [name for name, value in self.parameters.items() if value is None]
        if missing:
            raise KeyError(f"parameters without a value: {missing}")
        for name, value in self.parameters.items():
            pattern, allowed = declared[name].get("AllowedPattern"), declared[name].get("AllowedValues")
            if pattern and not re.fullmatch(pattern, str(value)):
                raise ValueError(f"{name}: `{value}` does not match {pattern}")
            if allowed and value not in allowed:
                raise ValueError(f"{name}: `{value}` is none of {allowed}")
        self._conditions = template.get("Conditions", {})
        self._written = template["Resources"]
        self.resources = {
            name: self._resolve(one)
            for name, one in self._written.items()
            if "Condition" not in one or self._condition(one["Condition"])
        }
        self.outputs = self._resolve(template.get("Outputs", {}))
        self.refusals = [
            assertion["AssertDescription"]
            for rule in template.get("Rules", {}).values()
            if "RuleCondition" not in rule or self._truth(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._truth(assertion["Assert"])
        ]

    def of_type(self, kind):
        """The resources of a type, by name."""
        return {name: one for name, one in self.resources.items() if one["Type"] == kind}

    def properties(self, name):
        """A resource's properties; empty where there is no such resource."""
        return self.resources.get(name, {}).get("Properties", {})

    def _condition(self, name):
        return self._truth(self._conditions[name])

    def _truth(self, value):
        [(function, arguments)] = value.items()
        match function:
            case "Condition":
                return self._condition(arguments)
            case "Fn::Equals":
                left, right = (self._resolve(one) for one in arguments)
                return str(left) == str(right)
            case "Fn::Not":
                return not self._truth(arguments[0])
            case "Fn::And":
                return all(self._truth(one) for one in arguments)
            case "Fn::Or":
                return any(self._truth(one) for one in arguments)
        raise ValueError(f"no condition: {function}")

    def _ref(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        if name not in self._written:
            raise KeyError(f"Ref to nothing: {name}")
        return f"<{name}>"

    def _attribute(self, name, attribute):
        if name not in self._written:
            raise KeyError(f"GetAtt of nothing: {name}")
        return f"<{name}.{attribute}>"

    def _sub(self, text, values):
        def one(match):
            name = match.group(1)
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in values:
                return str(values[name])
            return self._attribute(*name.split(".", 1)) if "." in name else str(self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", one, text)

    def _resolve(self, value):
        if isinstance(value, list):
            resolved = [self._resolve(one) for one in value]
            return [one for one in resolved if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, arguments)] = value.items()
            if function == "Ref":
                return self._ref(arguments)
            if function.startswith("Fn::"):
                return self._function(function, arguments)
        resolved = {name: self._resolve(one) for name, one in value.items()}
        return {name: one for name, one in resolved.items() if one is not NO_VALUE}

    def _function(self, function, arguments):
        match function:
            case "Fn::If":
                name, yes, no = arguments
                return self._resolve(yes if self._condition(name) else no)
            case "Fn::GetAtt":
                return self._attribute(*arguments)
            case "Fn::Sub" if isinstance(arguments, str):
                return self._sub(arguments, {})
            case "Fn::Sub":
                return self._sub(arguments[0], self._resolve(arguments[1]))
            case "Fn::Select":
                return self._resolve(arguments[1])[int(self._resolve(arguments[0]))]
            case "Fn::Split":
                return str(self._resolve(arguments[1])).split(arguments[0])
            case "Fn::Join":
                return arguments[0].join(self._resolve(arguments[1]))
            case "Fn::GetAZs":
                return ["zone-a", "zone-b", "zone-c"]
            case "Fn::Cidr":
                return [f"{self._resolve(arguments[0])}#{part}" for part in range(int(arguments[1]))]
        raise ValueError(f"unknown function: {function}")
