import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** A regular expression of the product, and where it stands. */
export interface ProductPattern {
  readonly place: string;
  readonly pattern: RegExp;
}

const source = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Every regular expression in the product's source, tests apart.
 * Where a name of ours is put into one, a letter stands for it.
 * @throws {Error} naming one that is wholly made at run time: such a one cannot be tried beforehand
 */
export async function findProductPatterns(): Promise<ProductPattern[]> {
  const names = await readdir(source, { recursive: true });
  const files = names.filter((name) => /\.tsx?$/.test(name) && !name.includes('__tests__')).sort();
  return (await Promise.all(files.map((name) => patternsIn(join(source, name))))).flat();
}

async function patternsIn(path: string): Promise<ProductPattern[]> {
  const file = ts.createSourceFile(path, await readFile(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: ProductPattern[] = [];
  const visit = (node: ts.Node): void => {
    const place = `${relative(source, path)}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      found.push({ place, pattern: new RegExp(node.text.slice(1, end), node.text.slice(end + 1)) });
    } else if (isConstruction(node)) {
      const texts = (node.arguments ?? []).map(textOf);
      const [text, flags] = texts;
      if (text === undefined || texts.includes(undefined)) {
        throw new Error(`The pattern at ${place} is made at run time`);
      }
      found.push({ place, pattern: new RegExp(text, flags) });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function isConstruction(node: ts.Node): node is ts.NewExpression | ts.CallExpression {
  const isCall = ts.isNewExpression(node) || ts.isCallExpression(node);
  return isCall && ts.isIdentifier(node.expression) && node.expression.text === 'RegExp';
}

function textOf(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('a');
}
