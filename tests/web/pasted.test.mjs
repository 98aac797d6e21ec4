/* Lists of labels as people paste them, from wherever: what is read of them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

/* As one text: an older node takes a .js for a script. */
const lib = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../web/lib');
const source = ['list.js', 'labels.js'].map((name) => readFileSync(path.join(lib, name), 'utf8').replace(/^(?:import|export \{).* from .*\n/gm, '')).join('\n');
const { parseTyped } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const THREE = 'cat dog hamster', TWO = 'cat dog';
/* what is pasted -> the labels, apart by spaces, or as a list where they have some */
const CASES = {
  numbered: [['1. cat\n2. dog\n3. hamster', THREE], ['1) cat\n2) dog', TWO], ['1.cat\n2.dog', TWO], ['1 - cat\n2 - dog', TWO], ['1 cat\n2 dog\n3 hamster', THREE],
    ['#1 cat\n#2 dog', TWO], ['a) cat\nb) dog', TWO], ['A. cat\nB. dog', TWO], ['i. cat\nii. dog\niii. hamster', THREE], ['\u2460cat\n\u2461dog', TWO], ['1\ufe0f\u20e3 cat\n2\ufe0f\u20e3 dog', TWO],
    ['\uff11\uff0ecat\n\uff12\uff0edog', TWO], ['\u4e00\u3001cat\n\u4e8c\u3001dog', TWO], ['\uff081\uff09cat\n\uff082\uff09dog', TWO], ['1\u3001cat\n2\u3001dog', TWO], ['1.\tcat\n2.\tdog\n3.\thamster', THREE],
    ['1\tcat\n2\tdog', TWO], ['1. cat, 2. dog, 3. hamster', THREE], ['1) cat 2) dog 3) hamster', THREE]],
  bulleted: [['- cat\n- dog\n* hamster', THREE], ['\u2022 cat\n\u2022 dog', TWO], ['\u2022\tcat\n\u2022\tdog', TWO], ['o\tcat\no\tdog', TWO], ['-cat\n-dog', TWO], ['\u2013 cat\n\u2013 dog', TWO], ['> cat\n> dog', TWO],
    ['- [ ] cat\n- [x] dog', TWO], ['* [X] cat\n* [ ] dog', TWO], ['[ ] cat\n[x] dog', TWO], ['\u2705 cat\n\u2705 dog', TWO], ['\u2610 cat\n\u2611 dog', TWO], ['- cat', 'cat']],
  separated: [['cat;dog;hamster', THREE], ['cat\tdog\thamster', THREE], ['cat|dog|hamster', THREE], ['cat / dog / hamster', THREE], ['cat\u3001dog\uff0chamster', THREE], ['cat\u060cdog', TWO], ['cat,\ndog,\nhamster', THREE],
    ['salt, fine; pepper', ['salt, fine', 'pepper']], ['cat, kitten\ndog, puppy', 'cat kitten dog puppy'], ['red, green\nblue', 'red green blue'], ['cat|kitty\ndog', 'cat|kitty dog'], ['#cat #dog #hamster', THREE], ['#cat\n#dog', TWO]],
  sentences: [['cat, dog, and hamster.', THREE], ['cat, dog and hamster', THREE], ['Labels: cat, dog, hamster', THREE], ['cat, dog, etc.', TWO]],
  'line ends and blanks': [['cat\r\ndog\r\n', TWO], ['cat\rdog\rhamster', THREE], ['cat\u2028dog\u2029hamster', THREE], ['cat\\ndog\\nhamster', THREE], ['\ufeffcat\ndog', TWO], ['cat\u200b\ndog\u00a0', TWO], ['cat\n\n\ndog\n   \nhamster', THREE],
    ['  cat\n\tdog\n   hamster', THREE], ['\tcat\n\tdog', TWO], ['', ''], [' \n\n', '']],
  doubles: [['cat\nCat\nCAT', 'cat'], ['polar bear\npolar  bear\nPolar Bear', ['polar bear']], ['cafe\u0301\ncaf\u00e9', 'caf\u00e9']],
  quotes: [['"cat","dog"', TWO], ['"cat"; "dog"', TWO], ['\'cat\', \'dog\'', TWO], ['\u00abcat\u00bb, \u00abdog\u00bb', TWO], ['\u201ccat\u201d\n\u201cdog\u201d', TWO], ['`cat`\n`dog`', TWO], ['"salt, fine"\n"pepper"', ['salt, fine', 'pepper']],
    ['dog\'s bed\ncats\' house', ['dog\'s bed', 'cats\' house']]],
  tables: [['label,count\ncat,3\ndog,4\nhamster,1', THREE], ['cat,3\ndog,4\nhamster,5', THREE], ['1,cat\n2,dog\n3,hamster', THREE], ['id,name,size\n1,cat,3\n2,dog,4', TWO], ['id;name\n1;cat\n2;dog\n', TWO], ['cat;3,5\ndog;4,2', TWO],
    ['sep=;\nname;n\ncat;1\ndog;2', TWO], ['class_id,class_name\n0,cat\n1,dog', TWO], ['"cat","3"\n"dog","4"', TWO], ['"salt, fine",3\n"pepper",4', ['salt, fine', 'pepper']], ['"two\nlines",3\n"pepper",4', ['two lines', 'pepper']],
    ['name\ncat\ndog', TWO], ['cat\t3\ndog\t4', TWO], ['cat\thttps://a\t3\ndog\thttps://b\t4', TWO], ['cat\t\ndog\t', TWO], ['cat,,\ndog,,', TWO], ['cat,https://a.b/c\ndog,https://d.e/f', TWO],
    ['| name | n |\n|---|---|\n| cat | 3 |\n| dog | 4 |', TWO], ['| cat |\n| dog |', TWO]],
  counts: [['cat: 3\ndog: 4', TWO], ['cat (3)\ndog (12)', TWO], ['cat - 3\ndog - 4', TWO], ['cat x3\ndog x4', TWO], ['3x cat\n2x dog', TWO], ['     12 cat\n      3 dog', TWO]],
  meanings: [['1. **cat** - a small animal\n2. **dog** - a loyal animal', TWO], ['- **cat**: a small animal\n- **dog**: a loyal one', TWO], ['cat: a small furry animal\ndog: a loyal and larger one', TWO], ['**cat**\n**dog**', TWO],
    ['*cat*\n*dog*', TWO], ['- [cat](https://x.y/z)\n- [dog](https://x)', TWO]],
  code: [['["cat", "dog"]', TWO], ['["cat", "dog",]', TWO], ['[\'cat\', \'dog\']', TWO], ['(\'cat\', \'dog\')', TWO], ['{\'cat\', \'dog\'}', TWO], ['{\'cat\': 3, \'dog\': 4}', TWO], ['const labels = ["cat", "dog"];', TWO],
    ['[{label: "cat"}, {label: "dog"}]', TWO], ['```json\n["cat", "dog"]\n```', TWO], ['[{"label": "cat"}, {"name": "dog"}]', TWO], ['{"0": "cat", "1": "dog"}', TWO], ['{"name":"cat"}\n{"name":"dog"}', TWO], ['[["cat", 3], ["dog", 4]]', TWO],
    ['{"0": ["n02123045", "cat"], "1": ["n02084071", "dog"]}', TWO], ['{"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}}', TWO], ['{"cat": 0.9, "dog": 0.1}', TWO],
    ['{"info": {"year": 2017}, "images": [{"file_name": "a.jpg"}], "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]}', TWO], ['["a|b", "c"]', ['a b', 'c']], ['[]', ''],
    ['names:\n  0: cat\n  1: dog', TWO], ['labels:\n  - cat\n  - dog', TWO], ['nc: 2\nnames: [\'cat\', \'dog\']', TWO], ['path: ../x\ntrain: images\nnames:\n  0: cat\n  1: dog\n', TWO],
    ['<ul><li>cat</li><li>dog &amp; co</li></ul>', ['cat', 'dog & co']], ['<option value="1">cat</option>\n<option>dog</option>', TWO], ['# name: pets\n# template: a {}.\ncat\ndog', TWO]],
  'names that look like marks': ['3. Liga\nBundesliga', '7 Up\nCola', '50 mm lens\n85 mm lens', '3.5 mm jack\n6.3 mm jack', '2:30 pm\n3:30 pm', 'T. rex\nE. coli', 'St. Bernard\nDachshund', 'Airbus 320\nBoeing 747', 'vitamin C\nvitamin D',
    'Toy Story (1995)\nAlien (1979)', 'Spider-Man: No Way Home\nThor: Love and Thunder', 'cat: Katze\ndog: Hund', 'x-ray\nct scan', 'mac & cheese\nfish and chips', 'C#\nF#', '1\n2\n3', 'cat\ndog\n- hamster'].map((text) => [text, text.split('\n')]),
};

for (const [kind, cases] of Object.entries(CASES)) {
  test(`what people paste is read as they mean it: ${kind}`, () => {
    for (const [text, wanted] of cases) {
      const labels = Array.isArray(wanted) ? wanted : wanted ? wanted.split(' ') : [];
      assert.deepEqual(parseTyped(text).labels, labels, JSON.stringify(text));
    }
  });
}

test('headings and nested lists are groups; a title over everything is none', () => {
  const groups = (text) => {
    const { labels, groups: its } = parseTyped(text);
    return labels.map((label, i) => `${its[i]}/${label}`).join(' ');
  };
  for (const text of ['[animals]\ncat\ndog\n[cars]\nbmw', '# animals\n- cat\n- dog\n\n# cars\n- bmw', '## animals\ncat\ndog\n## cars\nbmw', 'animals:\n- cat\n- dog\ncars:\n- bmw', '**animals**\n- cat\n- dog\n**cars**\n- bmw',
    'animals\n- cat\n- dog\n\ncars\n- bmw', 'animals\n=======\ncat\ndog\ncars\n====\nbmw', '- animals\n  - cat\n  - dog\n- cars\n  - bmw', '1. animals\n   - cat\n   - dog\n2. cars\n   - bmw', '{"animals": ["cat", "dog"], "cars": ["bmw"]}',
    '[{"name": "cat", "supercategory": "animals"}, {"name": "dog", "group": "animals"}, {"name": "bmw", "group": "cars"}]']) {
    assert.equal(groups(text), 'animals/cat animals/dog cars/bmw', JSON.stringify(text));
  }
  for (const text of ['# animals\n- cat\n- dog', 'Here they are:\n- cat\n- dog', '# cat\n# dog', 'cat:\ndog:', '[]\ncat\ndog']) assert.equal(groups(text).replace(/:/g, ''), '/cat /dog', JSON.stringify(text));
  assert.equal(groups('[animals]\ncat\n[]\nbmw'), 'animals/cat /bmw');
});

test('doubles are counted, and long lists are read whole', () => {
  assert.deepEqual(parseTyped('1. pizza\n2. salad\n3. soup | broth\n4. Pizza\n'), { labels: ['pizza', 'salad', 'soup|broth'], groups: ['', '', ''], doubles: 1 });
  for (const line of [(i) => `thing ${i}`, (i) => `${i + 1}. thing ${i}`, (i) => `- thing ${i}`, (i) => `"thing, number ${i}",${i}`, (i) => `${i},thing x${i}y`]) {
    assert.equal(parseTyped(Array.from({ length: 5000 }, (_, i) => line(i)).join('\r\n')).labels.length, 5000, line(7));
  }
});
