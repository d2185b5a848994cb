// Lines of [place, pattern, flags] in; out come lines of [place, what is wrong] for those that are not surely linear.
const { checkSync } = require("recheck");
const lines = require("fs").readFileSync(0, "utf8").split("\n");
for (const [place, pattern, flags] of lines.map((line) => JSON.parse(line))) {
  const found = checkSync(pattern, flags, { timeout: 20000 });
  if (found.status !== "safe") {
    const attack = found.attack ? found.attack.pattern : JSON.stringify(found.error);
    console.log(JSON.stringify([place, `${found.status} ${found.complexity ? found.complexity.type : ""} ${attack}`]));
  }
}
