import { Refused, token } from "./api";
import { byId, el, say } from "./dom";

interface Question {
  title: string;
  text: string;
  action: string /* of the button that does it */;
  run: () => Promise<unknown>;
  done: string;
}

function show(dialog: HTMLDialogElement): void {
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function frame(title: string, text: string, ...rest: Node[]): HTMLDialogElement {
  return el(
    "dialog",
    { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-text" },
    el("h2", { id: "dialog-title" }, title),
    el("p", { id: "dialog-text" }, text),
    ...rest,
  );
}

/* Asks before it does something that cannot be taken back. */
export function confirm(question: Question): void {
  const problem = el("p", { class: "problem", role: "alert" });
  const cancel = el("button", { type: "button", autofocus: true }, "Cancel");
  const act = el("button", { type: "button", class: "danger solid" }, question.action);
  const row = el("div", { class: "row" }, cancel, act);
  const dialog = frame(question.title, question.text, problem, row);
  cancel.addEventListener("click", () => dialog.close());
  act.addEventListener("click", async () => {
    act.disabled = true;
    try {
      await question.run();
      dialog.close();
      say(question.done);
    } catch (error) {
      act.disabled = false;
      problem.textContent =
        error instanceof Refused
          ? `The server refused: ${error.message}.`
          : "The server cannot be reached.";
    }
  });
  show(dialog);
}

const TOKEN_TEXT =
  "This server lets in who has an admin token. It is kept in this tab until that is closed.";

/* Asks for a token, and calls @given when there is one. */
export function askToken(given: () => void): void {
  if (document.getElementById("token")) return;
  const input = el("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    required: true,
    "aria-describedby": "token-problem",
  });
  const problem = el("p", { id: "token-problem", class: "problem", role: "alert" });
  const form = el(
    "form",
    {},
    el("label", { for: "token" }, "Admin token"),
    input,
    problem,
    el("div", { class: "row" }, el("button", { type: "submit", class: "solid" }, "Sign in")),
  );
  const dialog = frame("Sign in", TOKEN_TEXT, form);
  dialog.id = "sign-in";
  if (token.get()) problem.textContent = "The server does not take that token.";
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    dialog.close();
    given();
  });
  show(dialog);
  byId("token").focus();
}
