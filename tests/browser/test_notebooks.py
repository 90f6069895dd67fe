"""A beginner's notebooks in a real JupyterLab: all cells run, charts show, nothing is an error."""

import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.jupyter import ROOT, SCREENS, run_all, serve_lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    # The pipes of the server that was killed.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", ["00", "01"])
def test_all_cells_of_a_notebook_run_and_show_what_they_should(tmp_path, lab_page, number):
    (tmp_path / "data").symlink_to(ROOT / "data")
    file = next((ROOT / "notebooks").glob(f"{number}_*.ipynb"))
    with serve_lab(tmp_path) as lab:
        shutil.copy(file, lab.folder)
        # Cells out of sight stay in the page, so that they can be counted.
        settings = tmp_path / "SETTINGS_DIR" / "@jupyterlab" / "notebook-extension"
        settings.mkdir(parents=True)
        (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
        lab_page.goto(lab.url(file.name))
        run_all(lab_page)
        last = lab_page.locator(".jp-CodeCell .jp-InputPrompt").last
        expect(last).to_have_text(r"[*]:")
        expect(last).not_to_have_text(r"[*]:")
        prompts = lab_page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        assert [f"[{n}]:" for n in range(1, len(prompts) + 1)] == [each.strip() for each in prompts]
        assert 0 == lab_page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count()
        assert 0 == lab_page.locator('[data-mime-type="application/vnd.jupyter.error"]').count()
        assert lab_page.locator(".jp-OutputArea img, .jp-OutputArea svg").count() >= 1
        SCREENS.mkdir(parents=True, exist_ok=True)
        lab_page.screenshot(path=SCREENS / f"notebook_{number}.png")
