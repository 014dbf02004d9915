// PyPI's jsonschema over a file of ours.

@testable import ConnectionBench

enum SchemaCheck {
    private static let program = """
        import json, sys
        from jsonschema import Draft202012Validator
        from referencing import Registry, Resource
        schemas = [json.load(open(path)) for path in sys.argv[1:4]]
        for schema in schemas: Draft202012Validator.check_schema(schema)
        registry = Registry().with_resources(
            [(schema["$id"], Resource.from_contents(schema)) for schema in schemas])
        document = json.load(open(sys.argv[4]))
        names = ["uring-bench.result", "uring-bench.set", "uring-bench.soak"]
        kinds = dict(zip(names, schemas))
        validator = Draft202012Validator(kinds[document["schema"]], registry=registry)
        for error in validator.iter_errors(document): print(error.json_path, error.message[:300])
        """

    /// What is wrong with a result, one complaint a line; empty: nothing.
    static func complaints(_ json: String) throws -> String {
        let folder = try FixtureDirectory([
            "/result": ResultSchema.result.text, "/set": ResultSchema.set.text,
            "/soak": ResultSchema.soak.text, "/document": json,
        ])
        return try Python.output(
            program, ["/result", "/set", "/soak", "/document"].map { folder.path + $0 })
    }
}
