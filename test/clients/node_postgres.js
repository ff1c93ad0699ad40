// dualdb with node-postgres: node node_postgres.js ann@example.com
'use strict';

const readline = require('node:readline/promises');
const { Pool } = require('pg');

async function logIn(auth, email, password) {
  const { rows: [row] } = await auth.query(
    'SELECT status, access_token, refresh_token FROM auth.login($1, $2)', [email, password]);
  return row;
}

async function refresh(auth, refreshToken) {
  const { rows: [row] } = await auth.query(
    'SELECT status, access_token, refresh_token FROM auth.refresh($1)', [refreshToken]);
  return row;
}

// Run work(client, userId) as the user of the token, in one transaction.
async function asUser(app, token, work) {
  const client = await app.connect();
  let broken;
  try {
    await client.query('BEGIN');
    const { rows: [user] } = await client.query('SELECT dualdb.authenticate($1) AS id', [token]);
    const result = await work(client, user.id);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure) => { broken = failure; });
    throw error;
  } finally {
    client.release(broken);
  }
}

function addProject(app, token, name) {
  return asUser(app, token, async (client, userId) => {
    await client.query('INSERT INTO app.projects (user_id, name) VALUES ($1, $2)', [userId, name]);
    return userId;
  });
}

function projects(app, token) {
  return asUser(app, token, async (client) => {
    const { rows } = await client.query('SELECT p.name FROM app.projects p ORDER BY p.name');
    return rows.map((row) => row.name);
  });
}

async function main(email, password) {
  const auth = new Pool({ connectionString: process.env.AUTH_DATABASE_URL });
  const app = new Pool({ connectionString: process.env.APP_DATABASE_URL });

  const { rows: [user] } = await auth.query(
    'SELECT status, user_id FROM auth.register_user($1, $2)', [email, password]);
  console.log('registered:', user.status, user.user_id);
  console.log('wrong password:', (await logIn(auth, email, 'not the password')).status);
  let session = await logIn(auth, email, password);
  console.log('logged in:', session.status);
  session = await refresh(auth, session.refresh_token);
  console.log('refreshed:', session.status);

  console.log('authenticated:', await addProject(app, session.access_token, 'First project'));
  for (const name of await projects(app, session.access_token)) {
    console.log('project:', name);
  }
  const { rows: [row] } = await app.query('SELECT dualdb.user_id() AS id, count(*) FROM app.projects');
  console.log(`afterwards: ${row.id ?? 'nobody'}, ${row.count}`);
  await projects(app, 'not a token').catch((error) => console.log('wrong token:', error.code));
  await Promise.all([auth.end(), app.end()]);
}

async function readPassword() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    return line;
  }
}

readPassword().then((password) => main(process.argv[2], password)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
