// Calls `@huggingface/hub` as a user would: what it reads and writes on the Hub whose address is given, as one JSON line.
import {
  createBranch, createRepo, deleteBranch, deleteRepo, listCommits, listModels, modelInfo, uploadFile, whoAmI,
} from "@huggingface/hub";

const [hubUrl, accessToken, author] = process.argv.slice(2);
const to = { hubUrl, accessToken };
const repo = { type: "model", name: `${author}/from-js` };
const told = {};

await createRepo({ ...to, repo });
const file = { path: "README.md", content: new Blob(["---\nlicense: mit\n---\n"]) };
told.commit = (await uploadFile({ ...to, repo, file, useXet: false })).commit.oid;
await createBranch({ ...to, repo, branch: "production" });
told.models = [];
for await (const model of listModels({ ...to, search: { owner: author }, additionalFields: ["sha", "cardData"], sort: "createdAt" })) {
  told.models.push({ id: model.id, name: model.name, sha: model.sha, license: model.cardData?.license, gated: model.gated });
}
told.info = await modelInfo({ ...to, name: repo.name, additionalFields: ["sha", "createdAt"] });
told.at = await modelInfo({ ...to, name: repo.name, revision: "production", additionalFields: ["sha"] });
told.commits = [];
for await (const commit of listCommits({ ...to, repo, revision: told.commit })) {
  told.commits.push({ oid: commit.oid, date: commit.date });
}
told.who = (await whoAmI(to)).name;
await deleteBranch({ ...to, repo, branch: "production" });
try {
  await modelInfo({ hubUrl, name: `${author}/none` });
} catch (error) {
  told.missing = error.statusCode;
}
if (process.argv[5] === "delete") await deleteRepo({ ...to, repo });
console.log(JSON.stringify(told));
