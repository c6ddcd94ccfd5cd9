// The OpenAPI document, drawn for people.
const make = (name, ...children) => {
  const element = document.createElement(name);
  element.append(...children);
  return element;
};

function resolve(schema, schemas) {
  return schema?.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
}

function kindOf(schema, schemas) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((one) => kindOf(one, schemas)).join(" | ");
  if (schema.type === "array") return `[${kindOf(schema.items, schemas)}]`;
  return schema.const ?? schema.enum?.join(" | ") ?? schema.type ?? "";
}

function fields(schema, schemas) {
  const own = resolve(schema, schemas);
  if (!own?.properties) return make("p", kindOf(schema, schemas));
  const rows = Object.entries(own.properties).map(([name, one]) => make(
    "tr", make("td", make("code", name + (own.required?.includes(name) ? "" : "?"))), make("td", kindOf(one, schemas)), make("td", one.description ?? ""),
  ));
  return make("table", make("tbody", ...rows));
}

const body = (content) => Object.values(content ?? {})[0]?.schema;
try {
  const found = await (await fetch("/openapi.json")).json(), schemas = found.components.schemas;
  for (const [path, methods] of Object.entries(found.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const section = make("section", make("h2", `${method.toUpperCase()} ${path}`), make("p", operation.description ?? ""));
      const takes = body(operation.requestBody?.content), gives = body(operation.responses["200"]?.content);
      if (takes) section.append(fields(takes, schemas));
      if (gives) section.append(make("p", "200: ", kindOf(gives, schemas)), ...(resolve(gives, schemas)?.properties ? [fields(gives, schemas)] : []));
      const refusals = Object.entries(operation.responses).filter(([status]) => status !== "200");
      section.append(make("p", refusals.map(([status, one]) => `${status} ${one.description}`).join(" · ")));
      document.getElementById("routes").append(section);
    }
  }
} catch (fault) {
  document.getElementById("fault").hidden = false;
  document.getElementById("fault").textContent = fault.message;
}
