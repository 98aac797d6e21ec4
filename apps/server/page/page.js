/* The page that a person sees: a picture can be tried, and every request of openapi.json be read and sent. Nothing is
 * loaded from elsewhere, and all that comes from outside is set as text. */
'use strict';

const element = (name, text, ...children) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

const withKey = () => {
  const key = document.querySelector('#try [name=key]').value.trim();
  return key ? { Authorization: `Bearer ${key}` } : {};
};

const shown = async (response) => {
  const text = await response.text();
  try {
    return `${response.status}\n${JSON.stringify(JSON.parse(text), null, 2)}`;
  } catch {
    return `${response.status}\n${text.slice(0, 100000)}`;
  }
};

async function tryPicture(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const labels = form.get('labels').trim();
  const query = labels ? `?labels=${encodeURIComponent(labels)}` : '';
  const output = document.querySelector('#answer');
  output.textContent = '...';
  try {
    const response = await fetch(`/v1/classify${query}`, { method: 'POST', headers: withKey(), body: form.get('picture') });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error?.message ?? response.status);
    const table = element('table');
    for (const { label, score } of body.results[0].answers) {
      table.append(element('tr', '', element('td', label), element('td', `${(100 * score).toFixed(1)} %`)));
    }
    output.replaceChildren(table);
  } catch (error) {
    output.textContent = String(error.message ?? error);
  }
}

/* A body to begin with, as the schema has it. */
function example(schema, document_, depth = 0) {
  if (!schema || depth > 4) return null;
  if (schema.$ref) return example(document_.components.schemas[schema.$ref.split('/').pop()], document_, depth + 1);
  if (schema.anyOf) return example(schema.anyOf[0], document_, depth + 1);
  if (schema.enum) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object') {
    return Object.fromEntries((schema.required ?? []).map((name) => [name, example(schema.properties?.[name], document_, depth + 1)]));
  }
  return { string: '', integer: 1, number: 1, boolean: false, array: [] }[type] ?? null;
}

function requestForm(method, path, operation, document_) {
  const form = element('form');
  const fields = [];
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((found) => ({ name: found[1], in: 'path', description: 'in the path' }));
  for (const parameter of [...names, ...(operation.parameters ?? []).filter((p) => p.in === 'query')]) {
    const input = element('input');
    input.type = 'text';
    fields.push([parameter, input]);
    form.append(element('p', '', element('label', `${parameter.name}: ${parameter.description ?? ''}`, input)));
  }
  const content = operation.requestBody?.content ?? {};
  let body = null;
  if (content['application/json']) {
    body = element('textarea');
    body.value = JSON.stringify(example(content['application/json'].schema, document_), null, 2);
    form.append(element('p', '', element('label', 'The body, as JSON', body)));
  }
  const output = element('pre');
  output.hidden = true;
  form.append(element('button', 'Send'), output);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    let at = path;
    for (const [parameter, input] of fields) {
      if (parameter.in === 'path') at = at.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(parameter.name, input.value);
    }
    output.hidden = false;
    output.textContent = '...';
    const headers = { ...withKey(), ...(body ? { 'Content-Type': 'application/json' } : {}) };
    try {
      output.textContent = await shown(await fetch(at + (query.size ? `?${query}` : ''), { method, headers, body: body?.value }));
    } catch (error) {
      output.textContent = String(error);
    }
  });
  return form;
}

async function showOperations() {
  const place = document.querySelector('#operations');
  const document_ = await (await fetch('/openapi.json')).json();
  place.replaceChildren();
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const method of ['get', 'post', 'delete'].filter((name) => item[name])) {
      const operation = item[method];
      const answers = element('table');
      for (const [status, answer] of Object.entries(operation.responses)) {
        answers.append(element('tr', '', element('td', status), element('td', answer.description)));
      }
      const heading = element('summary', '', element('b', method.toUpperCase()), ` ${path} — ${operation.summary}`);
      place.append(element('details', '', heading, element('div', '', requestForm(method.toUpperCase(), path, operation, document_), answers)));
    }
  }
}

document.querySelector('#try').addEventListener('submit', tryPicture);
fetch('/index.html', { method: 'HEAD' }).then((answer) => { document.querySelector('#app').hidden = !answer.ok; }).catch(() => {});
showOperations();
