// Files that people drop: read into rows, written back with two more columns. RFC 4180 for csv.
export function readTable(text, name) {
  const clean = text.replace(/^\ufeff/, "");
  if (/\.jsonl$/i.test(name)) return readLines(clean);
  if (/\.txt$/i.test(name)) {
    return { kind: "csv", columns: ["text"], rows: clean.split(/\r?\n/).filter((line) => line.trim()).map((line) => ({ text: line })) };
  }
  const separator = /\.tsv$/i.test(name) ? "\t" : ",";
  const [columns = [], ...cells] = readCells(clean, separator);
  return { kind: "csv", columns, rows: cells.map((row) => Object.fromEntries(columns.map((column, place) => [column, row[place] ?? ""]))) };
}

function readLines(text) {
  const rows = text.split(/\r?\n/).filter((line) => line.trim()).map((line) => JSON.parse(line));
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return { kind: "jsonl", columns, rows };
}

function readCells(text, separator) {
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let place = 0; place < text.length; place += 1) {
    const character = text[place];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[place + 1] === '"') { cell += '"'; place += 1; } else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === separator) { row.push(cell); cell = ""; }
    else if (character === "\n" || character === "\r") {
      if (character === "\r" && text[place + 1] === "\n") place += 1;
      row.push(cell);
      rows.push(row);
      row = []; cell = "";
    } else cell += character;
  }
  if (cell !== "" || row.length) rows.push([...row, cell]);
  return rows.filter((one) => one.length > 1 || one[0] !== "");
}

export function writeTable(table) {
  if (table.kind === "jsonl") return table.rows.map((row) => JSON.stringify(row)).join("\n") + "\n";
  const columns = [...table.columns, "prediction", "confidence"];
  const quote = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = table.rows.map((row) => columns.map((column) => quote(String(row[column] ?? ""))).join(","));
  return [columns.map(quote).join(","), ...lines].join("\r\n") + "\r\n";
}
