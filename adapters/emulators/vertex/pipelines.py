"""PipelineService: training pipelines, which are there once created; nothing is trained."""

from typing import Any

from adapters.emulators.vertex.listing import invalid
from adapters.emulators.vertex.state import ProjectState, not_found
from adapters.emulators.vertex.wire import TrainingPipeline


def create_training_pipeline(state: ProjectState, request: Any) -> Any:
    """Keep a training pipeline under a new name."""
    state.check_parent(request.parent)
    if not request.training_pipeline.display_name:
        raise invalid("training_pipeline.display_name is required.")
    made = TrainingPipeline()
    made.CopyFrom(request.training_pipeline)
    made.name = f"{state.parent}/trainingPipelines/{state.new_id()}"
    made.create_time.CopyFrom(state.now())
    state.pipelines[made.name] = made
    return made


def get_training_pipeline(state: ProjectState, request: Any) -> Any:
    """One training pipeline."""
    state.check_parent(request.name.partition("/trainingPipelines/")[0])
    if request.name not in state.pipelines:
        raise not_found(request.name)
    return state.pipelines[request.name]
